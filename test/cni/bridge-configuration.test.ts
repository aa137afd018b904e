import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { command } from '../support/command.ts'
import { addressesOn, linkIn, Node, routesIn } from './runtime.ts'

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
  const index = linkIn(node.host, 'br0')?.ifindex
  t.is((await node.run(node.conf(), { command: 'ADD', netns: node.pod().path })).code, 0)
  t.is(linkIn(node.host, 'br0')?.ifindex, index)
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
    t.is(linkIn(pod, 'eth0')?.address, `02:00:00:00:00:0${index + 1}`)
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
  t.is(linkIn(node.host, 'br0')?.promiscuity, 1)
  const port = linkIn(node.host, result.json.interfaces?.[1]?.name ?? '')
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
  t.is(linkIn(pod, 'eth0')?.mtu, 1450)
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
