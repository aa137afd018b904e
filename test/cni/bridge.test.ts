import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { waitUntil } from '../support/wait.ts'
import { addressesOn, launchers, linkIn, Node, routesIn } from './runtime.ts'

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
    t.is(linkIn(node.host, 'br0')?.address, bridge?.mac)
    t.is(linkIn(node.host, host?.name ?? '')?.address, host?.mac)
    t.is(linkIn(pod, 'eth0')?.address, inner?.mac)
    t.not(bridge?.mac, host?.mac)
    t.is(linkIn(pod, 'eth0')?.mtu, 1400)
    t.is(linkIn(node.host, 'br0')?.mtu, 1400)
    t.like(linkIn(node.host, host?.name ?? '')?.linkinfo?.info_slave_data, {
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
    t.is(linkIn(pod, 'eth0'), undefined)
    assertClean(t, node, '10.1.2.2')
    t.is((await node.run(conf, { command: 'DEL', netns: pod.path })).code, 0)
  })
}

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
  t.is(linkIn(pod, 'eth0')?.operstate, 'UP')
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
  t.is(linkIn(pod, 'eth0'), undefined)
  assertClean(t, node, '10.1.2.')
  const mac = linkIn(node.host, 'br0')?.address
  t.is((await node.run(node.conf({ isGateway: true }), { command: 'ADD', netns: pod.path })).code, 0)
  t.is(linkIn(node.host, 'br0')?.address, mac, 'the bridge keeps its address')
})

test('an interface of that name in the pod is not touched', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  pod.run('ip', 'link', 'add', 'eth0', 'type', 'bridge')
  const { json } = await node.run(node.conf(), { command: 'ADD', netns: pod.path })
  t.is(json.msg, 'container veth name provided (eth0) already exists')
  t.is(linkIn(pod, 'eth0')?.linkinfo?.info_kind, 'bridge')
  assertClean(t, node, '10.1.2.')
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

test('DEL of an ADD that failed, because another network has the interface, leaves that alone', async (t) => {
  const node = new Node(t, launchers.at(-1))
  await node.agent()
  const pod = node.pod()
  const first = node.conf({ ipMasq: true })
  const second = node.conf({ name: 'other', ipMasq: true })
  t.is((await node.run(first, { command: 'ADD', netns: pod.path })).code, 0)
  const failed = await node.run(second, { command: 'ADD', netns: pod.path })
  t.regex(failed.json.msg ?? '', /eth0.* already exists/)
  t.is((await node.run(second, { command: 'DEL', netns: pod.path })).code, 0)
  t.true(addressesOn(pod, 'eth0').includes('10.1.2.2/24'))
  t.true(node.rulesWith('10.1.2.2').length > 0)
  t.is((await node.run(first, { command: 'DEL', netns: pod.path })).code, 0)
  t.is(linkIn(pod, 'eth0'), undefined)
  t.deepEqual([node.leases(), node.leases('other')], [[], []])
})
