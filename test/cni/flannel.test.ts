import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { addressesOn, linkIn, Node, referenceDirectory, routesIn } from './runtime.ts'

const subnetEnv =
  'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1400\nFLANNEL_IPMASQ=true\n'

function setUp(t: ConstructorParameters<typeof Node>[0]) {
  const node = new Node(t)
  const subnetFile = join(node.directory, 'subnet.env')
  writeFileSync(subnetFile, subnetEnv)
  const dataDir = join(node.directory, 'flannel')
  const conf = (more: object = {}) => ({
    cniVersion: '1.1.0',
    name: 'cbr0',
    type: 'flannel',
    socket: node.socket,
    subnetFile,
    dataDir,
    delegate: { bridge: 'br0', hairpinMode: true, isDefaultGateway: true },
    ipam: { dataDir: node.directory },
    ...more,
  })
  return { node, subnetFile, dataDir, conf }
}

for (const agent of [true, false]) {
  test(`flannel, ${agent ? 'agent' : 'alone'}: ADD, CHECK, DEL`, async (t) => {
    const { node, dataDir, conf } = setUp(t)
    if (agent) await node.agent()
    const pod = node.pod()
    const call = { command: 'ADD', netns: pod.path }
    const added = await node.run(conf(), call)
    t.is(added.code, 0, added.stdout)
    t.deepEqual(addressesOn(pod, 'eth0'), ['10.244.7.2/24'])
    t.deepEqual(
      routesIn(pod).map(({ dst, gateway }) => [dst, gateway]),
      [
        ['default', '10.244.7.1'],
        ['10.244.0.0/16', '10.244.7.1'],
        ['10.244.7.0/24', undefined],
      ],
    )
    t.is(linkIn(pod, 'eth0')?.mtu, 1400)
    t.is(node.rulesWith('10.244.7.2').length, 0, 'flanneld masquerades itself')
    const kept = JSON.parse(readFileSync(join(dataDir, 'c1'), 'utf8'))
    t.like(kept, { type: 'bridge', name: 'cbr0', mtu: 1400, ipMasq: false, isGateway: true })
    t.deepEqual(kept.ipam.ranges, [[{ subnet: '10.244.7.0/24' }]])
    const check = await node.run({ ...conf(), prevResult: added.json }, { ...call, command: 'CHECK' })
    t.is(check.code, 0, check.stdout)
    t.is((await node.run(conf(), { ...call, command: 'DEL' })).code, 0)
    t.deepEqual([node.links(), node.leases('cbr0'), readdirSync(dataDir)], [['br0'], [], []])
  })
}

test('flannel: DEL without the kept configuration, and without the subnet file, leaves nothing', async (t) => {
  const { node, dataDir, subnetFile, conf } = setUp(t)
  const pod = node.pod()
  const call = { command: 'ADD', netns: pod.path }
  t.is((await node.run(conf({ delegate: { bridge: 'br0', ipMasq: true } }), call)).code, 0)
  rmSync(dataDir, { recursive: true })
  rmSync(subnetFile)
  t.is((await node.run(conf(), { command: 'DEL' })).code, 0)
  t.deepEqual([node.links(), node.leases('cbr0'), node.rulesWith('10.244.7.2')], [['br0'], [], []])
})

test('flannel: two interfaces of one container do not share what is kept', async (t) => {
  const { node, dataDir, conf } = setUp(t)
  const pod = node.pod()
  for (const ifname of ['eth0', 'net1']) {
    t.is((await node.run(conf(), { command: 'ADD', netns: pod.path, ifname })).code, 0)
  }
  t.deepEqual(readdirSync(dataDir).sort(), ['c1', 'c1-net1'])
  t.is((await node.run(conf(), { command: 'DEL', netns: pod.path, ifname: 'net1' })).code, 0)
  t.deepEqual([readdirSync(dataDir), node.leases('cbr0')], [['c1'], ['10.244.7.2']])
})

test('flannel: the reference bridge as delegate, when CNI_PATH has it', async (t) => {
  const { node, conf } = setUp(t)
  await node.agent()
  const pod = node.pod()
  const call = { command: 'ADD', netns: pod.path, environment: { CNI_PATH: referenceDirectory } }
  const added = await node.run(conf({ cniVersion: '0.3.1' }), call)
  t.is(added.code, 0, added.stdout)
  t.deepEqual(addressesOn(pod, 'eth0'), ['10.244.7.2/24'])
  t.is(linkIn(node.host, added.json.interfaces?.[1]?.name ?? '')?.ifalias, undefined)
  t.is((await node.run(conf({ cniVersion: '0.3.1' }), { ...call, command: 'DEL' })).code, 0)
  t.deepEqual([node.links(), node.leases('cbr0')], [['br0'], []])
})

test('flannel: GC and STATUS reach the delegate', async (t) => {
  const { node, subnetFile, dataDir, conf } = setUp(t)
  await node.agent()
  t.is((await node.run(conf(), { command: 'ADD', netns: node.pod().path })).code, 0)
  t.is((await node.run(conf(), { command: 'ADD', id: 'c2', netns: node.pod().path })).code, 0)
  t.is((await node.run(conf(), { command: 'STATUS' })).code, 0)
  const attachments = [{ containerID: 'c2', ifname: 'eth0' }]
  const gc = await node.run(conf({ 'cni.dev/valid-attachments': attachments }), { command: 'GC' })
  t.is(gc.code, 0, gc.stdout)
  t.deepEqual([node.leases('cbr0'), readdirSync(dataDir)], [['10.244.7.3'], ['c2']])
  rmSync(subnetFile)
  const status = await node.run(conf(), { command: 'STATUS' })
  t.is(status.json.code, 50)
  t.regex(status.json.msg ?? '', /subnet\.env cannot be read/)
})

test('flannel: mistakes are named', async (t) => {
  const { node, subnetFile, conf } = setUp(t)
  const add = (more: object) => node.run(conf(more), { command: 'ADD', netns: node.pod().path })
  t.regex((await add({ delegate: { name: 'x' } })).json.msg ?? '', /must not have 'name' field/)
  t.regex((await add({ delegate: { ipam: {} } })).json.msg ?? '', /must not have 'ipam' field/)
  t.regex((await add({ delegate: { type: 3 } })).json.msg ?? '', /must have \(string\) 'type' field/)
  writeFileSync(subnetFile, 'FLANNEL_SUBNET=10.244.7.1/24\n')
  const incomplete = await add({})
  t.is(incomplete.json.code, 11)
  t.regex(incomplete.json.msg ?? '', /is missing FLANNEL_NETWORK, FLANNEL_MTU, FLANNEL_IPMASQ$/)
  t.false(existsSync(join(node.directory, 'cbr0')), 'no address was taken')
})
