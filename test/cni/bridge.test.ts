import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { command } from '../support/command.ts'
import { waitUntil } from '../support/wait.ts'
import { addressesOn, launchers, Node, routesIn } from './runtime.ts'

interface LinkShown {
  ifname: string
  address: string
  mtu: number
  operstate: string
  ifindex: number
  ifalias?: string
  promiscuity?: number
  linkinfo?: { info_kind?: string; info_slave_data?: { hairpin: boolean; isolated: boolean; state: string } }
}

function link(node: { json<T>(...argv: string[]): T }, name: string): LinkShown | undefined {
  return node.json<LinkShown[]>('ip', '-d', '-j', 'link').find(({ ifname }) => ifname === name)
}

/** Nothing of any pod is left on the node; the bridge may be. */
function assertClean(t: ExecutionContext, node: Node, address: string): void {
  t.deepEqual(
    node.links().filter((name) => name.startsWith('veth')),
    [],
  )
  t.deepEqual(node.leases(), [])
  t.deepEqual(node.rulesWith(address), [])
}

for (const [launcher, mode] of launchers.flatMap((name) => [
  [name, 'agent'] as const,
  [name, 'alone'] as const,
])) {
  test(`${launcher}, ${mode}: ADD, CHECK and DEL of a pod with a gateway`, async (t) => {
    const node = new Node(t, launcher)
    const pod = node.pod()
    if (mode === 'agent') await node.agent()
    const conf = node.conf({ isDefaultGateway: true, hairpinMode: true, mtu: 1400, ipMasq: true })
    const { code, json } = await node.run(conf, { command: 'ADD', netns: pod.path })
    t.is(code, 0, JSON.stringify(json))
    t.deepEqual(json.ips, [{ interface: 2, address: '10.1.2.2/24', gateway: '10.1.2.1' }])
    t.deepEqual(json.routes, [{ dst: '0.0.0.0/0', gw: '10.1.2.1' }])
    const [bridge, host, inner] = json.interfaces ?? []
    t.is(bridge?.name, 'br0')
    t.is(inner?.name, 'eth0')
    t.is(inner?.sandbox, pod.path)
    t.regex(host?.name ?? '', /^veth[0-9a-f]{8}$/)

    t.deepEqual(node.links().sort(), ['br0', host?.name ?? ''].sort())
    t.deepEqual(addressesOn(node.host, 'br0'), ['10.1.2.1/24'])
    t.deepEqual(addressesOn(pod, 'eth0'), ['10.1.2.2/24'])
    t.like(
      routesIn(pod).find(({ dst }) => dst === 'default'),
      { gateway: '10.1.2.1', dev: 'eth0' },
    )
    t.is(link(node.host, 'br0')?.address, bridge?.mac)
    t.is(link(node.host, host?.name ?? '')?.address, host?.mac)
    t.is(link(pod, 'eth0')?.address, inner?.mac)
    t.not(bridge?.mac, host?.mac)
    t.is(link(pod, 'eth0')?.mtu, 1400)
    t.is(link(node.host, 'br0')?.mtu, 1400)
    t.like(link(node.host, host?.name ?? '')?.linkinfo?.info_slave_data, {
      hairpin: true,
      isolated: false,
      state: 'forwarding',
    })
    t.is(node.leaseOf('10.1.2.2'), 'c1\r\neth0')
    t.is(node.host.run('cat', '/proc/sys/net/ipv4/ip_forward').trim(), '1')
    t.is(node.host.run('cat', '/proc/sys/net/ipv6/conf/br0/accept_ra').trim(), '0')
    t.regex(pod.run('ping', '-c1', '-W2', '10.1.2.1'), / 0% packet loss/)

    const check = await node.run({ ...conf, prevResult: json }, { command: 'CHECK', netns: pod.path })
    t.is(check.code, 0, check.stdout)
    t.is(check.stdout, '')
    const del = await node.run({ ...conf, prevResult: json }, { command: 'DEL', netns: pod.path })
    t.is(del.code, 0, del.stdout)
    t.is(del.stdout, '')
    t.is(link(pod, 'eth0'), undefined)
    assertClean(t, node, '10.1.2.2')
    t.is((await node.run(conf, { command: 'DEL', netns: pod.path })).code, 0)
  })
}

test('IPv6 and dual stack', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  pod.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6')
  const conf = node.conf(
    { isDefaultGateway: true },
    { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: '2001:db8::/64' }]] },
  )
  const { code, json } = await node.run(conf, { command: 'ADD', netns: pod.path })
  t.is(code, 0, JSON.stringify(json))
  t.deepEqual(addressesOn(pod, 'eth0'), ['10.1.2.2/24', '2001:db8::2/64'])
  t.deepEqual(addressesOn(node.host, 'br0'), ['10.1.2.1/24', '2001:db8::1/64'])
  t.like(
    routesIn(pod, 6).find(({ dst }) => dst === 'default'),
    { gateway: '2001:db8::1' },
  )
  t.regex(pod.run('ping', '-c1', '-W2', '2001:db8::1'), / 0% packet loss/)
  t.is((await node.run({ ...conf, prevResult: json }, { command: 'CHECK', netns: pod.path })).code, 0)
})

test('results in the shape of every version; without a version 0.1.0', async (t) => {
  const node = new Node(t)
  await node.agent()
  for (const cniVersion of ['', '0.1.0', '0.2.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']) {
    const pod = node.pod()
    const conf = node.conf({ cniVersion, isGateway: true })
    const { code, json } = await node.run(conf, { command: 'ADD', netns: pod.path })
    t.is(code, 0)
    t.is(json.cniVersion, cniVersion || '0.1.0')
    const old = ['', '0.1.0', '0.2.0'].includes(cniVersion)
    t.regex((old ? json.ip4?.ip : json.ips?.[0]?.address) ?? '', /^10\.1\.2\.\d+\/24$/)
    t.is((await node.run(conf, { command: 'DEL', netns: pod.path })).code, 0)
  }
})

test('layer 2: without ipam the interface is up and has no address; 0.2.0 refuses before making anything', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  const refused = await node.run(node.conf({ cniVersion: '0.2.0' }, null), {
    command: 'ADD',
    netns: pod.path,
  })
  t.is(refused.json.msg, 'cannot convert: no valid IP addresses')
  t.deepEqual(node.links(), [])
  const conf = node.conf({}, null)
  const { code, json } = await node.run(conf, { command: 'ADD', netns: pod.path })
  t.is(code, 0)
  t.is(json.ips, undefined)
  t.deepEqual(addressesOn(pod, 'eth0'), [])
  t.is(link(pod, 'eth0')?.operstate, 'UP')
  t.is((await node.run({ ...conf, prevResult: json }, { command: 'CHECK', netns: pod.path })).code, 0)
  t.is((await node.run(conf, { command: 'DEL', netns: pod.path })).code, 0)
  assertClean(t, node, '10.')
})

test('DEL: never configured, twice, namespace gone, namespace unknown', async (t) => {
  const node = new Node(t)
  const conf = node.conf({ isDefaultGateway: true, ipMasq: true })
  t.is((await node.run(conf, { command: 'DEL', netns: '/run/netns/never' })).code, 0)
  for (const left of ['gone', 'unknown', 'stale file']) {
    const pod = node.pod()
    t.is((await node.run(conf, { command: 'ADD', netns: pod.path })).code, 0)
    if (left === 'gone') await pod.remove()
    const stale = join(node.directory, 'stale')
    writeFileSync(stale, '')
    const netns = left === 'unknown' ? '' : left === 'stale file' ? stale : pod.path
    const del = await node.run(conf, { command: 'DEL', netns })
    t.is(del.code, 0, `${left}: ${del.stdout}`)
    assertClean(t, node, '10.1.2.')
  }
})

test('DEL works when the configuration names no ranges any more', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  await node.run(node.conf({ ipMasq: true }), { command: 'ADD', netns: pod.path })
  t.is((await node.run(node.conf({}, { ranges: [] }), { command: 'DEL', netns: pod.path })).code, 0)
  assertClean(t, node, '10.1.2.')
})

test('an ADD into the own namespace, or none, is refused before anything is done', async (t) => {
  const node = new Node(t)
  for (const command of ['ADD', 'DEL']) {
    const own = await node.run(node.conf(), { command, netns: node.host.path })
    t.is(own.json.code, 8)
    t.is(own.json.msg, "plugin's netns and netns from CNI_NETNS should not be the same")
  }
  t.is((await node.run(node.conf(), { command: 'ADD', netns: '/run/netns/never' })).json.code, 8)
  t.deepEqual(node.links(), [])
  t.deepEqual(node.leases(), [])
})

test('an ADD that fails late leaves nothing, and the next one succeeds', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  const bad = node.conf(
    { isGateway: true, ipMasq: true },
    { subnet: '10.1.2.0/24', routes: [{ dst: '10.9.0.0/16', gw: '192.0.2.1' }] },
  )
  const failed = await node.run(bad, { command: 'ADD', netns: pod.path })
  t.is(failed.json.code, 999)
  t.regex(failed.json.msg ?? '', /failed to add route '10\.9\.0\.0\/16 via 192\.0\.2\.1/)
  t.is(link(pod, 'eth0'), undefined)
  assertClean(t, node, '10.1.2.')
  const mac = link(node.host, 'br0')?.address
  t.is((await node.run(node.conf({ isGateway: true }), { command: 'ADD', netns: pod.path })).code, 0)
  t.is(link(node.host, 'br0')?.address, mac, 'the bridge keeps its address')
})

test('an interface of that name in the pod is not touched', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  pod.run('ip', 'link', 'add', 'eth0', 'type', 'bridge')
  const { json } = await node.run(node.conf(), { command: 'ADD', netns: pod.path })
  t.is(json.msg, 'container veth name provided (eth0) already exists')
  t.is(link(pod, 'eth0')?.linkinfo?.info_kind, 'bridge')
  assertClean(t, node, '10.1.2.')
})

test('a default route of ipam without gateway does not collide with isDefaultGateway', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  const conf = node.conf(
    { isDefaultGateway: true },
    { subnet: '10.1.2.0/24', routes: [{ dst: '0.0.0.0/0' }, { dst: '10.8.0.0/16' }] },
  )
  const { code, json } = await node.run(conf, { command: 'ADD', netns: pod.path })
  t.is(code, 0, JSON.stringify(json))
  t.deepEqual(json.routes, [
    { dst: '0.0.0.0/0', gw: '10.1.2.1' },
    { dst: '10.8.0.0/16', gw: '10.1.2.1' },
  ])
  t.is(routesIn(pod).filter(({ dst }) => dst === 'default').length, 1)
})

test('an existing bridge is used; a link of that name that is none is refused', async (t) => {
  const node = new Node(t)
  node.host.run('ip', 'link', 'add', 'br0', 'type', 'bridge')
  const index = link(node.host, 'br0')?.ifindex
  t.is((await node.run(node.conf(), { command: 'ADD', netns: node.pod().path })).code, 0)
  t.is(link(node.host, 'br0')?.ifindex, index)
  node.host.run('ip', 'link', 'add', 'br1', 'type', 'veth', 'peer', 'name', 'x')
  const { json } = await node.run(node.conf({ bridge: 'br1' }), {
    command: 'ADD',
    netns: node.pod().path,
    id: 'c2',
  })
  t.is(json.msg, 'failed to create bridge "br1": "br1" already exists but is not a bridge')
})

test('another gateway address on the bridge: replaced when unused or forced, else an error naming the pods', async (t) => {
  const node = new Node(t)
  node.host.run('ip', 'link', 'add', 'br0', 'type', 'bridge')
  node.host.run('ip', 'addr', 'add', '10.9.9.1/24', 'dev', 'br0')
  const conf = node.conf({ isGateway: true })
  t.is((await node.run(conf, { command: 'ADD', netns: node.pod().path })).code, 0)
  t.deepEqual(addressesOn(node.host, 'br0'), ['10.1.2.1/24'])
  const other = {
    ...conf,
    ipam: { type: 'host-local', dataDir: node.directory, subnet: '10.5.0.0/24' },
    name: 'other',
  }
  const refused = await node.run(other, { command: 'ADD', netns: node.pod().path, id: 'c2' })
  t.is(
    refused.json.msg,
    'failed to set bridge addr: "br0" already has an IP address different from 10.5.0.1/24',
  )
  t.regex(refused.json.details ?? '', /net\/c1\/eth0/)
  t.is(
    (await node.run({ ...other, forceAddress: true }, { command: 'ADD', netns: node.pod().path, id: 'c2' }))
      .code,
    0,
  )
  t.deepEqual(addressesOn(node.host, 'br0'), ['10.5.0.1/24'])
})

test('MAC address: runtimeConfig beats args beats CNI_ARGS', async (t) => {
  const node = new Node(t)
  await node.agent()
  const args = 'IgnoreUnknown=1;MAC=02:00:00:00:00:01'
  const sources = [
    {},
    { args: { cni: { mac: '02:00:00:00:00:02' } } },
    { args: { cni: { mac: '02:00:00:00:00:02' } }, RuntimeConfig: { mac: '02:00:00:00:00:03' } },
  ]
  for (const [index, more] of sources.entries()) {
    const pod = node.pod()
    const { json } = await node.run(node.conf(more), {
      command: 'ADD',
      netns: pod.path,
      args,
      id: `c${index}`,
    })
    t.is(json.interfaces?.[2]?.mac, `02:00:00:00:00:0${index + 1}`)
    t.is(link(pod, 'eth0')?.address, `02:00:00:00:00:0${index + 1}`)
  }
})

test('hairpin with promiscuous mode, or a key not honoured yet, is refused by name', async (t) => {
  const node = new Node(t)
  await node.agent()
  const netns = node.pod().path
  const add = (more: Record<string, unknown>) => node.run(node.conf(more), { command: 'ADD', netns })
  t.is(
    (await add({ hairpinMode: true, promiscMode: true })).json.msg,
    'cannot set hairpin mode and promiscuous mode at the same time',
  )
  const vlan = await add({ vlan: 100 })
  t.is(vlan.json.code, 2)
  t.regex(vlan.json.msg ?? '', /vlan=100/)
  const result = await add({ promiscMode: true, portIsolation: true })
  t.is(result.code, 0)
  t.is(link(node.host, 'br0')?.promiscuity, 1)
  const port = link(node.host, result.json.interfaces?.[1]?.name ?? '')
  t.like(port?.linkinfo?.info_slave_data, { isolated: true, hairpin: false })
})

test('dns: the resolvConf of ipam, unless the configuration has its own', async (t) => {
  const node = new Node(t)
  const resolvConf = join(node.directory, 'resolv.conf')
  writeFileSync(resolvConf, 'nameserver 192.0.2.0\n')
  const ipam = { subnet: '10.1.2.0/24', resolvConf }
  const first = await node.run(node.conf({}, ipam), { command: 'ADD', netns: node.pod().path })
  t.deepEqual(first.json.dns, { nameservers: ['192.0.2.0'] })
  const second = await node.run(node.conf({ dns: { search: ['a.test'] } }, ipam), {
    command: 'ADD',
    netns: node.pod().path,
    id: 'c2',
  })
  t.deepEqual(second.json.dns, { search: ['a.test'] })
})

test('CHECK sees a lost address, route, gateway address and lease', async (t) => {
  const node = new Node(t)
  await node.agent()
  const pod = node.pod()
  const conf = node.conf({ isDefaultGateway: true })
  const { json } = await node.run(conf, { command: 'ADD', netns: pod.path })
  const check = async () =>
    (await node.run({ ...conf, prevResult: json }, { command: 'CHECK', netns: pod.path })).json.msg
  t.is(await check(), undefined)
  pod.run('ip', 'route', 'del', 'default')
  t.is(await check(), 'Expected Route 0.0.0.0/0 via 10.1.2.1 not found in routing table')
  pod.run('ip', 'route', 'add', 'default', 'via', '10.1.2.1')
  node.host.run('ip', 'addr', 'flush', 'dev', 'br0')
  t.is(await check(), 'Gateway address 10.1.2.1/24 is missing on bridge br0')
  node.host.run('ip', 'addr', 'add', '10.1.2.1/24', 'dev', 'br0')
  pod.run('ip', 'addr', 'flush', 'dev', 'eth0')
  t.is(await check(), 'Failed to match addr 10.1.2.2/24 on interface eth0')
  rmSync(join(node.directory, 'net', '10.1.2.2'))
  t.is(await check(), 'host-local: Failed to find address added by container c1')
  const without = await node.run(conf, { command: 'CHECK', netns: pod.path })
  t.is(without.json.msg, 'Required prevResult missing')
})

test('subnet and MTU come from the subnet file; while it is missing: try again later', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  const subnetFile = join(node.directory, 'subnet.env')
  const conf = node.conf({ cniVersion: '1.1.0', isDefaultGateway: true, subnetFile }, {})
  const missing = await node.run(conf, { command: 'ADD', netns: pod.path })
  t.is(missing.json.code, 11)
  t.regex(missing.json.msg ?? '', /subnet\.env cannot be read \(ENOENT\): the overlay on this node/)
  const status = await node.run(conf, { command: 'STATUS' })
  t.is(status.json.code, 50)
  t.regex(status.json.msg ?? '', /subnet\.env/)
  writeFileSync(
    subnetFile,
    'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\nFLANNEL_IPV6_NETWORK=fd00::/48\nFLANNEL_IPV6_SUBNET=fd00:0:0:7::1/64\n',
  )
  t.is((await node.run(conf, { command: 'STATUS' })).code, 0)
  const { json } = await node.run(conf, { command: 'ADD', netns: pod.path })
  t.deepEqual(
    json.ips?.map(({ address }) => address),
    ['10.244.7.2/24', 'fd00:0:0:7::2/64'],
  )
  t.is(link(pod, 'eth0')?.mtu, 1450)
  t.is((await node.run(conf, { command: 'DEL', netns: pod.path })).code, 0)
})

test('ipam can be a plugin of CNI_PATH, and its failure is ours', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  const addresses = [{ address: '10.7.7.7/24', gateway: '10.7.7.1' }]
  const conf = {
    ...node.conf({ isDefaultGateway: true, ipMasq: true }, null),
    ipam: { type: 'static', addresses },
  }
  const { code, json } = await node.run(conf, { command: 'ADD', netns: pod.path })
  t.is(code, 0, JSON.stringify(json))
  t.deepEqual(addressesOn(pod, 'eth0'), ['10.7.7.7/24'])
  await pod.remove()
  t.is((await node.run(conf, { command: 'DEL', netns: pod.path })).code, 0)
  t.deepEqual(node.rulesWith('10.7.7.7'), [])
  const unknown = await node.run(
    { ...conf, ipam: { type: 'nosuch' } },
    { command: 'ADD', netns: node.pod().path },
  )
  t.regex(unknown.json.msg ?? '', /^failed to find plugin "nosuch" in path \[/)
  const failing = await node.run(
    { ...conf, ipam: { type: 'static' } },
    { command: 'ADD', netns: node.pod().path },
  )
  t.not(failing.code, 0)
  t.is(failing.json.code, 999)
  t.deepEqual(
    node.links().filter((name) => name.startsWith('veth')),
    [],
  )
})

test('the reference bridge can use our host-local, and both can take turns', async (t) => {
  const node = new Node(t)
  const path = `${join(node.directory, 'bin')}`
  command(['mkdir', path])
  command([
    'ln',
    '-s',
    join(import.meta.dirname, '..', '..', 'bin', 'cni', 'host-local'),
    join(path, 'host-local'),
  ])
  const conf = node.conf({ type: 'bridge', isGateway: true })
  const environment = { CNI_PATH: path }
  const theirs = await node.run(conf, { command: 'ADD', netns: node.pod().path, environment }, '/usr/lib/cni')
  t.deepEqual(
    theirs.json.ips?.map(({ address }) => address),
    ['10.1.2.2/24'],
  )
  const ours = await node.run(conf, { command: 'ADD', netns: node.pod().path, id: 'c2' })
  t.deepEqual(
    ours.json.ips?.map(({ address }) => address),
    ['10.1.2.3/24'],
  )
  const debian = await node.run(
    conf,
    { command: 'ADD', netns: node.pod().path, id: 'c3', environment: { CNI_PATH: '/usr/lib/cni' } },
    '/usr/lib/cni',
  )
  t.deepEqual(
    debian.json.ips?.map(({ address }) => address),
    ['10.1.2.4/24'],
  )
  for (const id of ['c1', 'c2', 'c3']) t.is((await node.run(conf, { command: 'DEL', id })).code, 0)
  t.deepEqual(node.leases(), [])
})

test('a pool whose owners are gone is used again instead of reported as exhausted', async (t) => {
  const node = new Node(t)
  await node.agent()
  const conf = node.conf({ isGateway: true, cniVersion: '1.1.0' }, { subnet: '10.1.2.0/29' })
  const pods = Array.from({ length: 5 }, () => node.pod())
  for (const [index, pod] of pods.entries())
    t.is((await node.run(conf, { command: 'ADD', netns: pod.path, id: `c${index}` })).code, 0)
  const status = await node.run(conf, { command: 'STATUS' })
  t.is(status.json.code, 50)
  t.regex(status.json.msg ?? '', /no IP addresses available in range set: 10\.1\.2\.1-10\.1\.2\.6/)
  const full = await node.run(conf, { command: 'ADD', netns: node.pod().path, id: 'c9' })
  t.regex(full.json.msg ?? '', /no IP addresses available/)
  await pods[2]?.remove()
  // The kernel takes a namespace apart in the background.
  await waitUntil(() => node.links().filter((name) => name.startsWith('veth')).length === 4, {
    what: 'the veth to go',
  })
  const again = await node.run(conf, { command: 'ADD', netns: node.pod().path, id: 'c9' })
  t.is(again.json.ips?.[0]?.address, '10.1.2.4/29')
})

test('GC keeps what is listed and removes the rest of this network only', async (t) => {
  const node = new Node(t)
  await node.agent()
  const conf = node.conf({ cniVersion: '1.1.0', isGateway: true, ipMasq: true })
  const other = { ...conf, name: 'other' }
  for (const id of ['keep', 'drop'])
    t.is((await node.run(conf, { command: 'ADD', netns: node.pod().path, id })).code, 0)
  t.is((await node.run(other, { command: 'ADD', netns: node.pod().path, id: 'else' })).code, 0)
  const without = await node.run(conf, { command: 'GC' })
  t.is(without.json.code, 7)
  t.deepEqual(node.leases(), ['10.1.2.2', '10.1.2.3'])
  const valid = [{ containerID: 'keep', ifname: 'eth0' }]
  t.is((await node.run({ ...conf, 'cni.dev/valid-attachments': valid }, { command: 'GC' })).code, 0)
  t.deepEqual(node.leases(), ['10.1.2.2'])
  t.deepEqual(node.leases('other'), ['10.1.2.2'])
  t.is(node.links().filter((name) => name.startsWith('veth')).length, 2)
  t.is((await node.run({ ...conf, 'cni.dev/valid-attachments': null }, { command: 'GC' })).code, 0)
  t.deepEqual(node.leases(), [])
  t.is(node.links().filter((name) => name.startsWith('veth')).length, 1)
  t.true(existsSync(join(node.directory, 'other')) && readdirSync(join(node.directory, 'other')).length > 0)
})
