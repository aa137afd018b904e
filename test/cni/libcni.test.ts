import { existsSync, rmSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { waitUntil } from '../support/wait.ts'
import { LibCni, type NetworkList, PluginFailure } from './libcni.ts'
import { addressesOn, binDirectory, linkIn, Node, referenceDirectory } from './runtime.ts'

const bandwidth = {
  ingressRate: 8_000_000,
  ingressBurst: 800_000,
  egressRate: 8_000_000,
  egressBurst: 800_000,
}

/** bridge, tuning and bandwidth; no port mappings, which the reference plugins do with iptables. */
function chain(node: Node, more: Partial<NetworkList> = {}): NetworkList {
  return {
    cniVersion: '0.4.0',
    name: 'net',
    plugins: [
      {
        type: 'bridge',
        bridge: 'br0',
        socket: node.socket,
        isDefaultGateway: true,
        hairpinMode: true,
        ipam: { type: 'host-local', dataDir: node.directory, subnet: '10.1.2.0/24' },
      },
      { type: 'tuning', socket: node.socket, sysctl: { 'net.core.somaxconn': '512' } },
      { type: 'bandwidth', socket: node.socket, capabilities: { bandwidth: true } },
    ],
    ...more,
  }
}

/** A check that the reference plugins pass as well shows that it asks for nothing special. */
for (const directory of [binDirectory, referenceDirectory]) {
  const name = directory === binDirectory ? 'plexus' : 'reference'

  test(`${name}: a chain is wired, checked and taken down in reverse`, async (t) => {
    const node = new Node(t)
    if (directory === binDirectory) await node.agent()
    const pod = node.pod()
    const cni = new LibCni(node, chain(node), directory)
    const attachment = { containerID: 'c1', ifname: 'eth0', netns: pod.path, capabilityArgs: { bandwidth } }
    const result = await cni.add(attachment)
    t.deepEqual(addressesOn(pod, 'eth0'), ['10.1.2.2/24'])
    t.is(pod.run('cat', '/proc/sys/net/core/somaxconn').trim(), '512')
    const device = result.interfaces?.at(-1)?.name ?? ''
    t.like(linkIn(node.host, device), { linkinfo: { info_kind: 'ifb' } })
    t.is(pod.try('ping', '-c', '1', '-W', '5', '10.1.2.1').status, 0)
    await cni.check(attachment)
    await cni.del(attachment)
    await cni.del(attachment)
    t.deepEqual(cni.calls.slice(-6), [
      'DEL bandwidth',
      'DEL tuning',
      'DEL bridge',
      'DEL bandwidth',
      'DEL tuning',
      'DEL bridge',
    ])
    t.deepEqual([node.links(), node.leases()], [['br0'], []])
    t.false(existsSync(cni.cachePath(attachment)))
  })

  test(`${name}: DEL works with a corrupt cache and without the namespace; CHECK fails when something is gone`, async (t) => {
    const node = new Node(t)
    if (directory === binDirectory) await node.agent()
    const pod = node.pod()
    const cni = new LibCni(node, chain(node), directory)
    const attachment = { containerID: 'c1', ifname: 'eth0', netns: pod.path, capabilityArgs: { bandwidth } }
    await cni.add(attachment)
    pod.run('ip', 'addr', 'flush', 'dev', 'eth0')
    await t.throwsAsync(cni.check(attachment), { instanceOf: PluginFailure })
    writeFileSync(cni.cachePath(attachment), '{"kind":')
    await pod.remove()
    await cni.del(attachment)
    // The namespace may outlive its path for a moment, and the link with it.
    await waitUntil(() => node.links().join() === 'br0', { what: 'the veth pair to go' })
    t.deepEqual(node.leases(), [])
  })

  test(`${name}: an ADD that fails in the middle stops there and leaves no cache; DEL cleans up`, async (t) => {
    const node = new Node(t)
    const pod = node.pod()
    const list = chain(node)
    const [bridge = {}, tuning = {}, shaping = {}] = list.plugins
    const broken = { ...list, plugins: [bridge, { ...tuning, sysctl: { 'net.core.nosuch': '1' } }, shaping] }
    const cni = new LibCni(node, broken, directory)
    const attachment = { containerID: 'c1', ifname: 'eth0', netns: pod.path }
    await t.throwsAsync(cni.add(attachment), { instanceOf: PluginFailure })
    t.deepEqual(cni.calls, ['ADD bridge', 'ADD tuning'])
    t.false(existsSync(cni.cachePath(attachment)))
    await cni.del(attachment)
    t.deepEqual([node.links(), node.leases()], [['br0'], []])
  })
}

test('the newest version of the list is spoken; disableCheck and disableGC are honoured', async (t) => {
  const node = new Node(t)
  const list = chain(node, {
    cniVersion: '0.3.1',
    cniVersions: ['1.0.0', '1.1.0', '0.4.0'],
    disableCheck: true,
    disableGC: true,
  })
  const cni = new LibCni(node, list)
  const attachment = { containerID: 'c1', ifname: 'eth0', netns: node.pod().path }
  t.is((await cni.add(attachment)).cniVersion, '1.1.0')
  await cni.check(attachment)
  await cni.gc([])
  t.deepEqual(node.leases(), ['10.1.2.2'])
  t.false(cni.calls.some((call) => /CHECK|GC/.test(call)))
})

test('GC takes down what the runtime forgot, with a cache and without one', async (t) => {
  const node = new Node(t)
  await node.agent()
  const cni = new LibCni(node, chain(node, { cniVersion: '1.1.0' }))
  const attachments = ['c1', 'c2', 'c3'].map((containerID) => ({
    containerID,
    ifname: 'eth0',
    netns: node.pod().path,
    capabilityArgs: { bandwidth },
  }))
  for (const attachment of attachments) await cni.add(attachment)
  rmSync(cni.cachePath({ containerID: 'c2', ifname: 'eth0' }))
  await cni.gc([{ containerID: 'c3', ifname: 'eth0' }])
  t.deepEqual(node.leases(), ['10.1.2.4'])
  t.is(node.links().length, 3, 'bridge, and veth and ifb of c3')
  await cni.check(attachments[2] ?? t.fail() ?? { containerID: '', ifname: '', netns: '' })
})

test('STATUS: fine, then 50 when the pool is exhausted, then fine again', async (t) => {
  const node = new Node(t)
  await node.agent()
  const ipam = { type: 'host-local', dataDir: node.directory, subnet: '10.1.2.0/30' }
  const plugins = [{ type: 'plexus', bridge: 'br0', socket: node.socket, isGateway: true, ipam }]
  const cni = new LibCni(node, { name: 'net', cniVersion: '1.1.0', plugins })
  await cni.status()
  const attachment = { containerID: 'c1', ifname: 'eth0', netns: node.pod().path }
  await cni.add(attachment)
  const error = await t.throwsAsync(cni.status(), { instanceOf: PluginFailure })
  t.is(error?.outcome.json.code, 50)
  t.regex(error?.message ?? '', /no IP addresses available in range set: 10\.1\.2\.1-10\.1\.2\.2/)
  await cni.del(attachment)
  await cni.status()
})

test('plexus alone does what the chain of five does: one configuration, one call', async (t) => {
  const node = new Node(t)
  await node.agent()
  const plugins = [
    {
      type: 'plexus',
      bridge: 'br0',
      socket: node.socket,
      isDefaultGateway: true,
      ipMasq: true,
      ipam: { type: 'host-local', dataDir: node.directory, subnet: '10.1.2.0/24' },
      capabilities: { portMappings: true, bandwidth: true },
    },
  ]
  const cni = new LibCni(node, { name: 'net', cniVersion: '1.1.0', plugins })
  const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
  const attachment = {
    containerID: 'c1',
    ifname: 'eth0',
    netns: node.pod().path,
    capabilityArgs: { portMappings, bandwidth },
  }
  await cni.add(attachment)
  t.true(node.rulesWith('8080').length > 0)
  await cni.check(attachment)
  await cni.del(attachment)
  t.deepEqual([node.links(), node.leases(), node.rulesWith('net/c1')], [['br0'], [], []])
})
