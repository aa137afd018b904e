// Cases of the reference plugins' own tests, as black boxes. Each runs against the reference plugins as well (where
// they have the feature), so that a case which asks for something wrong shows.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { forBoth } from './both.ts'
import { addressesOn, type Json, linkIn, Node } from './runtime.ts'

const previous = {
  interfaces: [{ name: 'br0' }, { name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/x' }],
  ips: [{ interface: 0, address: '10.1.2.3/24', gateway: '10.1.2.1' }],
  routes: [{ dst: '0.0.0.0/0', gw: '10.1.2.1' }],
  dns: { nameservers: ['192.0.2.0'] },
}

forBoth(
  'T08, T09: a chained plugin with nothing to do hands prevResult on, an interface index of 0 included',
  async (t, { node, run }) => {
    const { path: netns } = node.pod()
    for (const cniVersion of ['0.3.1', '0.4.0', '1.0.0']) {
      const version = cniVersion === '1.0.0' ? {} : { version: '4' }
      const ips = previous.ips.map((ip) => ({ ...version, ...ip }))
      const prevResult = { cniVersion, ...previous, ips }
      for (const type of ['tuning', 'portmap', 'bandwidth']) {
        const { code, json } = await run(
          { cniVersion, name: 'net', type, prevResult },
          { command: 'ADD', netns },
        )
        t.is(code, 0)
        t.deepEqual(json as unknown, prevResult, `${type} ${cniVersion}`)
      }
    }
  },
)

forBoth(
  'T23: with ipMasq there are rules for the pod after ADD and none after DEL',
  async (t, { isOurs, node, run }) => {
    const { path: netns } = node.pod()
    for (const backend of [undefined, 'iptables', ...(isOurs ? ['nftables'] : [])]) {
      const conf = node.conf({ type: 'bridge', isGateway: true, ipMasq: true, ipMasqBackend: backend })
      const added = await run(conf, { command: 'ADD', netns })
      t.is(added.code, 0, added.stdout)
      const address = added.json.ips?.[0]?.address.split('/')[0] ?? ''
      t.true(node.rulesWith(address).length > 0, backend)
      t.is((await run(conf, { command: 'DEL', netns })).code, 0)
      t.deepEqual(node.rulesWith(address), [], backend)
    }
    if (!isOurs) return
    const unknown = await run(node.conf({ type: 'bridge', ipMasq: true, ipMasqBackend: 'x' }), {
      command: 'ADD',
      netns,
    })
    t.regex(unknown.json.msg ?? '', /unknown ipmasq backend "x"/)
  },
)

forBoth('T26: hairpinMode is seen on the port; with promiscMode it is refused', async (t, { node, run }) => {
  for (const [index, hairpinMode] of [true, false].entries()) {
    const call = { command: 'ADD', id: `c${index}`, netns: node.pod().path }
    const { json } = await run(node.conf({ type: 'bridge', hairpinMode }), call)
    const port = linkIn(node.host, json.interfaces?.[1]?.name ?? '')
    t.is(port?.linkinfo?.info_slave_data?.hairpin, hairpinMode)
  }
  const both = await run(node.conf({ type: 'bridge', hairpinMode: true, promiscMode: true }), {
    command: 'ADD',
    netns: node.pod().path,
  })
  t.regex(both.json.msg ?? '', /^cannot set hairpin mode and promiscuous mode at the same time/)
})

test('T27: disableContainerInterface leaves the interface down, and goes without ipam only', async (t) => {
  const node = new Node(t)
  await node.agent()
  const pod = node.pod()
  const call = { command: 'ADD', netns: pod.path }
  const conf = { type: 'bridge', disableContainerInterface: true }
  t.is(
    (await node.run(node.conf(conf), call)).json.msg,
    'cannot use IPAM when DisableContainerInterface flag is set',
  )
  t.is((await node.run(node.conf(conf, null), call)).code, 0)
  t.is(linkIn(pod, 'eth0')?.operstate, 'DOWN')
})

const hostLocal = (node: Node, name: string, ipam: Json, more: Json = {}): Json => ({
  cniVersion: '1.0.0',
  name,
  type: 'host-local',
  ...more,
  ipam: { type: 'host-local', dataDir: node.directory, ...ipam },
})

forBoth(
  'T31, T32: one container in two networks and with two interfaces; a second ADD of the same is refused',
  async (t, { node, run }) => {
    const call = (command: string, ifname = 'eth0', id = 'c1') => ({ command, ifname, id, netns: '/x' })
    const one = hostLocal(node, 'one', { subnet: '10.1.2.0/24' })
    const two = hostLocal(node, 'two', { subnet: '10.1.3.0/24' })
    t.is((await run(one, call('ADD'))).json.ips?.[0]?.address, '10.1.2.2/24')
    t.is((await run(one, call('ADD', 'net1'))).json.ips?.[0]?.address, '10.1.2.3/24')
    t.is((await run(two, call('ADD'))).json.ips?.[0]?.address, '10.1.3.2/24')
    t.regex(
      (await run(one, call('ADD'))).json.msg ?? '',
      /10\.1\.2\.2 has been allocated to c1, duplicate allocation is not allowed/,
    )
    t.is((await run(one, call('ADD', 'eth0', 'c2'))).json.ips?.[0]?.address, '10.1.2.4/24')
    t.is((await run(one, call('DEL'))).code, 0)
    t.deepEqual([node.leases('one'), node.leases('two')], [['10.1.2.3', '10.1.2.4'], ['10.1.3.2']])
  },
)

forBoth(
  'T33, T34: a file with the container only, and one with blanks around it, are released',
  async (t, { node, run }) => {
    mkdirSync(join(node.directory, 'net'))
    writeFileSync(join(node.directory, 'net', '10.1.2.7'), 'c1')
    writeFileSync(join(node.directory, 'net', '10.1.2.8'), '  c2\r\neth0 \n')
    const conf = hostLocal(node, 'net', { subnet: '10.1.2.0/24' })
    t.is((await run(conf, { command: 'DEL', id: 'c1' })).code, 0)
    t.deepEqual(node.leases(), ['10.1.2.8'])
    t.is((await run(conf, { command: 'DEL', id: 'c2' })).code, 0)
    t.deepEqual(node.leases(), [])
  },
)

forBoth(
  'T35: addresses asked for by args, one of each set; one that fits nowhere takes nothing',
  async (t, { node, run }) => {
    const ranges = [[{ subnet: '10.1.2.0/24' }], [{ subnet: '10.1.3.0/24' }], [{ subnet: '2001:db8:1::/64' }]]
    const conf = (ips: string[]) => hostLocal(node, 'net', { ranges }, { args: { cni: { ips } } })
    const call = { command: 'ADD', netns: '/x' }
    const refused = await run(conf(['10.1.2.88', '10.9.9.9']), call)
    t.regex(refused.json.msg ?? '', /failed to allocate all requested IPs: 10\.9\.9\.9/)
    t.deepEqual(node.leases(), [])
    const { json } = await run(conf(['10.1.3.77', '10.1.2.88', '2001:db8:1::99']), call)
    t.deepEqual(
      json.ips?.map(({ address }) => address),
      ['10.1.2.88/24', '10.1.3.77/24', '2001:db8:1::99/64'],
    )
  },
)

forBoth('T37: a /29 gives .2 to .6 and then says so', async (t, { node, run }) => {
  const conf = hostLocal(node, 'net', { subnet: '192.168.1.0/29' })
  for (const last of [2, 3, 4, 5, 6]) {
    const { json } = await run(conf, { command: 'ADD', id: `c${last}`, netns: '/x' })
    t.is(json.ips?.[0]?.address, `192.168.1.${last}/29`)
  }
  t.is(
    (await run(conf, { command: 'ADD', id: 'c7', netns: '/x' })).json.msg,
    'failed to allocate for range 0: no IP addresses available in range set: 192.168.1.1-192.168.1.6',
  )
})

forBoth(
  'T51: loopback comes up with its addresses, and goes down; without a namespace there is nothing to do',
  async (t, { node, run }) => {
    const pod = node.pod()
    pod.run('ip', 'link', 'set', 'lo', 'down')
    const conf = { cniVersion: '1.0.0', name: 'net', type: 'loopback' }
    const { json } = await run(conf, { command: 'ADD', ifname: 'lo', netns: pod.path })
    t.like(json, { interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', sandbox: pod.path }] })
    t.like(json.ips?.[0], { interface: 0, address: '127.0.0.1/8' })
    t.true(addressesOn(pod, 'lo').includes('127.0.0.1/8'))
    t.is((await run(conf, { command: 'DEL', ifname: 'lo', netns: pod.path })).code, 0)
    t.is(linkIn(pod, 'lo')?.operstate, 'DOWN')
    t.is((await run(conf, { command: 'DEL', ifname: 'lo', netns: '/run/netns/plxt-none' })).code, 0)
  },
)

forBoth("T52: ptp's dns goes before that of ipam", async (t, { node, run }) => {
  const resolvConf = join(node.directory, 'resolv.conf')
  writeFileSync(resolvConf, 'nameserver 192.0.2.1\n')
  const conf = (more: Json) => node.conf({ type: 'ptp', ...more }, { subnet: '10.1.2.0/24', resolvConf })
  const add = async (id: string, more: Json) =>
    (await run(conf(more), { command: 'ADD', id, netns: node.pod().path })).json.dns
  t.deepEqual(await add('c1', {}), { nameservers: ['192.0.2.1'] })
  t.deepEqual(await add('c2', { dns: { nameservers: ['192.0.2.9'], search: ['a.test'] } }), {
    nameservers: ['192.0.2.9'],
    search: ['a.test'],
  })
})

test('T57: STATUS tells the trouble of the overlay, code 51, for a network that uses it', async (t) => {
  const node = new Node(t)
  await node.agent()
  const subnetFile = join(node.directory, 'subnet.env')
  writeFileSync(
    subnetFile,
    'FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.2.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
  )
  const plexus = node.conf({ cniVersion: '1.1.0', subnetFile }, {})
  const flannel = { cniVersion: '1.1.0', name: 'net', type: 'flannel', socket: node.socket, subnetFile }
  const status = (conf: Json) => node.run(conf, { command: 'STATUS' })
  for (const conf of [plexus, flannel]) t.is((await status(conf)).code, 0, (await status(conf)).stdout)
  writeFileSync(`${node.socket}.trouble`, 'Node n1 has no podCIDR yet')
  for (const conf of [plexus, flannel]) {
    t.like((await status(conf)).json, { code: 51, msg: 'the overlay: Node n1 has no podCIDR yet' })
  }
  const alone = node.conf({ cniVersion: '1.1.0' })
  t.is((await status(alone)).code, 0)
})
