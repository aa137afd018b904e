import test from 'ava'
import { addressesOn, binDirectory, Node, referenceDirectory, routesIn } from './runtime.ts'

test('ptp: routes and addresses are those of the reference plugin, for both families', async (t) => {
  const ranges = [[{ subnet: '10.1.2.0/24' }], [{ subnet: '2001:db8::/64' }]]
  const shown: object[] = []
  for (const directory of [binDirectory, referenceDirectory]) {
    // The reference plugin needs iptables for it, which need not be there.
    const ours = directory === binDirectory
    const node = new Node(t)
    const pod = node.pod()
    const ipam = { subnet: undefined, ranges, routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }] }
    const conf = node.conf(
      { type: 'ptp', ipMasq: ours, mtu: 1400, dns: { nameservers: ['192.0.2.1'] } },
      ipam,
    )
    const call = { command: 'ADD', netns: pod.path }
    const { code, stdout, json } = await node.run(conf, call, directory)
    t.is(code, 0, stdout)
    t.is(json.interfaces?.[1]?.sandbox, pod.path)
    t.deepEqual(
      json.ips?.map((ip) => ip.interface),
      [1, 1],
    )
    const hostEnd = json.interfaces?.[0]?.name ?? ''
    const routes = (family: 4 | 6) =>
      routesIn(pod, family)
        .filter(({ dst }) => !dst.startsWith('fe80'))
        .map(({ dst, gateway }) => [dst, gateway])
        .sort()
    shown.push({
      pod: addressesOn(pod, 'eth0'),
      host: addressesOn(node.host, hostEnd),
      routes: [routes(4), routes(6)],
      back: routesIn(node.host).map(({ dst }) => dst),
      result: [json.ips, json.routes, json.dns],
      forwarding: node.host.run('cat', '/proc/sys/net/ipv4/ip_forward'),
    })
    t.is(node.host.try('ping', '-c', '1', '-W', '5', '10.1.2.2').status, 0)
    const check = await node.run({ ...conf, prevResult: json }, { ...call, command: 'CHECK' }, directory)
    t.is(check.code, 0, check.stdout)
    t.is(node.rulesWith('10.1.2.2').length > 0, ours, 'masqueraded')
    t.is((await node.run(conf, { ...call, command: 'DEL' }, directory)).code, 0)
    t.deepEqual([node.links(), node.leases(), node.rulesWith('10.1.2.2')], [[], [], []])
  }
  t.deepEqual(shown[0], shown[1])
})

test('ptp: pods reach each other through the host; DEL without namespace and GC leave nothing', async (t) => {
  const node = new Node(t)
  await node.agent()
  const conf = node.conf(
    { type: 'ptp', cniVersion: '1.1.0', ipMasq: true },
    { subnet: '10.1.2.0/24', routes: [{ dst: '0.0.0.0/0' }] },
  )
  const [one, two] = [node.pod(), node.pod()]
  t.is((await node.run(conf, { command: 'ADD', netns: one.path })).code, 0)
  t.is((await node.run(conf, { command: 'ADD', id: 'c2', netns: two.path })).code, 0)
  t.is(one.try('ping', '-c', '1', '-W', '5', '10.1.2.3').status, 0)
  t.is((await node.run(conf, { command: 'DEL' })).code, 0)
  t.deepEqual([node.links().length, node.leases()], [1, ['10.1.2.3']])
  const gc = await node.run({ ...conf, 'cni.dev/valid-attachments': null }, { command: 'GC' })
  t.is(gc.code, 0, gc.stdout)
  t.deepEqual([node.links(), node.leases(), node.rulesWith('10.1.2.3')], [[], [], []])
})

test('static: addresses of the configuration, of CNI_ARGS and of the runtime', async (t) => {
  for (const directory of [binDirectory, referenceDirectory]) {
    const node = new Node(t)
    const add = async (more: object, ipam: object = {}, args?: string) => {
      const addresses = [{ address: '10.9.0.1/24', gateway: '10.9.0.254' }, { address: 'fd00:9::1/64' }]
      const conf = {
        cniVersion: '0.4.0',
        name: 'net',
        type: 'static',
        ipam: {
          type: 'static',
          addresses,
          routes: [{ dst: '0.0.0.0/0', gw: '10.9.0.254' }],
          dns: { search: ['a'] },
          ...ipam,
        },
        ...more,
      }
      const invocation = { command: 'ADD', netns: '/some/netns', ...(args === undefined ? {} : { args }) }
      const { json } = await node.run(conf, invocation, directory)
      return json
    }
    const plain = await add({})
    t.deepEqual(plain.ips, [
      { version: '4', address: '10.9.0.1/24', gateway: '10.9.0.254' },
      { version: '6', address: 'fd00:9::1/64' },
    ])
    t.deepEqual([plain.routes, plain.dns], [[{ dst: '0.0.0.0/0', gw: '10.9.0.254' }], { search: ['a'] }])
    const more = await add({}, { addresses: [] }, 'IP=10.10.0.1/24, 10.11.0.1/24;GATEWAY=10.10.0.254')
    t.deepEqual(more.ips, [
      { version: '4', address: '10.10.0.1/24', gateway: '10.10.0.254' },
      { version: '4', address: '10.11.0.1/24' },
    ])
    const asked = await add({ args: { cni: { ips: ['10.12.0.1/24'] } } })
    t.deepEqual(asked.ips, [{ version: '4', address: '10.12.0.1/24' }])
    const runtime = { runtimeConfig: { ips: ['10.13.0.1/24'] }, args: { cni: { ips: ['10.12.0.1/24'] } } }
    t.deepEqual((await add(runtime)).ips, [{ version: '4', address: '10.13.0.1/24' }])
    t.regex(
      (await add({}, {}, 'IP=10.10.0.1')).msg ?? '',
      /the 'ip' field is expected to be in CIDR notation, got: '10.10.0.1'/,
    )
    const twice = { addresses: [{ address: '10.9.0.1/24' }, { address: '10.9.0.2/24' }] }
    t.regex(
      (await add({ cniVersion: '0.2.0' }, twice)).msg ?? '',
      /does not support more than 1 address per family/,
    )
  }
})

test('static as ipam of plexus: served in the same process', async (t) => {
  const node = new Node(t)
  await node.agent()
  const pod = node.pod()
  const conf = node.conf(
    { isDefaultGateway: true },
    { type: 'static', addresses: [{ address: '10.9.0.7/24' }] },
  )
  const added = await node.run(conf, { command: 'ADD', netns: pod.path })
  t.is(added.code, 0, added.stdout)
  t.deepEqual(addressesOn(pod, 'eth0'), ['10.9.0.7/24'])
  t.is((await node.run({ ...conf, prevResult: added.json }, { command: 'CHECK', netns: pod.path })).code, 0)
  t.is((await node.run(conf, { command: 'DEL', netns: pod.path })).code, 0)
  t.deepEqual(node.links(), ['br0'])
})
