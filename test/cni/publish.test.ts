import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { joinNamespaces, type TestNamespace, testNamespace } from '../support/namespace.ts'
import { waitUntil } from '../support/wait.ts'
import { Node } from './runtime.ts'

/** Serves TCP and UDP on `port`: tells every client the address it comes from. */
async function startEcho(node: Node, pod: TestNamespace, port: number): Promise<void> {
  const script = join(node.directory, 'echo.cjs')
  writeFileSync(
    script,
    `const port = ${port}
require('node:net').createServer((c) => { c.on('error', () => {}); c.end(c.remoteAddress) }).listen(port, '::')
const udp = require('node:dgram').createSocket('udp4')
udp.on('message', (m, from) => udp.send(from.address, from.port, from.address)).bind(port, () => console.log('ready'))
`,
  )
  const child = pod.start([process.execPath, script])
  await new Promise((resolve) => child.stdout?.once('data', resolve))
}

/** The address under which the server saw us, or 'no answer'. */
function ask(from: TestNamespace, address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): string {
  const program = `
    const say = (text) => { process.stdout.write(text); process.exit() }
    setTimeout(say, 1500, 'no answer')
    const tcp = ${JSON.stringify(protocol)} === 'tcp'
    const client = tcp ? require('node:net').connect(${port}, '${address}') : require('node:dgram').createSocket('udp4')
    client.on(tcp ? 'data' : 'message', (data) => say(String(data)))
    client.on('error', () => say('no answer'))
    if (!tcp) client.send('x', ${port}, '${address}')`
  return from.run(process.execPath, '-e', program).replace('::ffff:', '')
}

/** A node with an outside neighbour, 192.0.2.1 <-> 192.0.2.2, which knows no way to the pods. */
function withOutside(t: Parameters<typeof testNamespace>[0]): { node: Node; outside: TestNamespace } {
  const node = new Node(t)
  const outside = testNamespace(t, 'out')
  joinNamespaces(
    { namespace: node.host, name: 'up0', addresses: ['192.0.2.1/24', 'fd00:f::1/64'] },
    { namespace: outside, name: 'eth0', addresses: ['192.0.2.2/24', 'fd00:f::2/64'] },
  )
  return { node, outside }
}

test('ipMasq: the outside sees the node, the own network and the cluster see the pod', async (t) => {
  const { node, outside } = withOutside(t)
  await startEcho(node, outside, 8000)
  outside.run('ip', 'addr', 'add', '10.244.9.9/24', 'dev', 'eth0')
  outside.run('ip', 'route', 'add', '10.244.7.0/24', 'via', '192.0.2.1')
  node.host.run('ip', 'route', 'add', '10.244.9.0/24', 'via', '192.0.2.2')
  const subnetFile = join(node.directory, 'subnet.env')
  writeFileSync(
    subnetFile,
    'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1400\nFLANNEL_IPMASQ=false\n',
  )
  const conf = node.conf({ isDefaultGateway: true, ipMasq: true, subnetFile }, {})
  const pod = node.pod()
  const { json } = await node.run(conf, { command: 'ADD', netns: pod.path })
  t.is(json.ips?.[0]?.address, '10.244.7.2/24')
  t.is(ask(pod, '192.0.2.2', 8000), '192.0.2.1')
  t.is(ask(pod, '10.244.9.9', 8000), '10.244.7.2')
  const other = node.pod()
  await node.run(conf, { command: 'ADD', netns: other.path, id: 'c2' })
  await startEcho(node, other, 8000)
  t.is(ask(pod, '10.244.7.3', 8000), '10.244.7.2')
  const rules = () =>
    node.host
      .nft('-a', 'list', 'table', 'ip', 'plexus-cni')
      .split('\n')
      .filter((line) => /handle/.test(line)).length
  const before = rules()
  await node.run(conf, { command: 'ADD', netns: node.pod().path, id: 'c3' })
  t.is(rules(), before, 'a further pod adds elements, no rules and no chains')
  for (const id of ['c1', 'c2', 'c3']) t.is((await node.run(conf, { command: 'DEL', id })).code, 0)
  t.deepEqual(node.rulesWith('10.244.7.'), [])
})

test('CHECK sees a masquerade element, and rules, that are gone', async (t) => {
  // Without an agent, which would repair what is broken here.
  const node = new Node(t)
  const conf = node.conf({ isDefaultGateway: true, ipMasq: true })
  const pod = node.pod()
  let { json } = await node.run(conf, { command: 'ADD', netns: pod.path })
  const check = async () =>
    (await node.run({ ...conf, prevResult: json }, { command: 'CHECK', netns: pod.path })).json.msg
  t.is(await check(), undefined)
  node.host.nft('delete', 'element', 'ip', 'plexus-cni', 'masqueraded_pods', '{', '10.1.2.2', '}')
  t.is(await check(), 'table ip plexus-cni: an element of masqueraded_pods is missing')
  node.host.nft('flush', 'chain', 'ip', 'plexus-cni', 'postrouting')
  t.is((await node.run(conf, { command: 'DEL', netns: pod.path })).code, 0)
  const again = await node.run(conf, { command: 'ADD', netns: pod.path })
  t.is(again.code, 0)
  json = again.json
  node.host.nft('delete', 'table', 'ip', 'plexus-cni')
  t.regex((await check()) ?? '', /is missing/)
  t.is((await node.run(conf, { command: 'DEL', netns: pod.path })).code, 0)
  t.is((await node.run(conf, { command: 'ADD', netns: pod.path })).code, 0)
  t.is(node.rulesWith('10.1.2.').length > 0, true)
})

for (const [title, prepare] of [
  ['plexus alone', (conf: Record<string, unknown>) => conf],
  ['portmap chained after the bridge', (conf: Record<string, unknown>) => ({ ...conf, type: 'bridge' })],
] as const) {
  test(`host ports, ${title}: from outside, the node, the pod itself and its sibling`, async (t) => {
    const { node, outside } = withOutside(t)
    const pod = node.pod()
    const sibling = node.pod()
    const portMappings = [
      { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
      { hostPort: 8080, containerPort: 80, protocol: 'udp' },
      { hostPort: 8081, containerPort: 80, protocol: 'TCP', hostIP: '192.0.2.1' },
      { hostPort: 8082, containerPort: 80, protocol: 'tcp', hostIP: '127.0.0.1' },
      { hostPort: 8083, containerPort: 80, hostIP: '::' },
      { hostPort: 0, containerPort: 81, protocol: 'tcp' },
    ]
    const runtimeConfig = { portMappings }
    const ranges = { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00:1::/64' }]] }
    const conf = prepare(node.conf({ isDefaultGateway: true, hairpinMode: true, runtimeConfig }, ranges))
    const portmap = { ...conf, type: 'portmap' }
    const added = await node.run(conf, { command: 'ADD', netns: pod.path })
    t.is(added.code, 0, added.stdout)
    if (conf['type'] === 'bridge') {
      const chained = await node.run(
        { ...portmap, prevResult: added.json },
        { command: 'ADD', netns: pod.path },
      )
      t.deepEqual(chained.json, added.json)
      const check = await node.run(
        { ...portmap, prevResult: added.json },
        { command: 'CHECK', netns: pod.path },
      )
      t.is(check.code, 0, check.stdout)
    }
    const plain = { ...conf, runtimeConfig: {} }
    t.is((await node.run(plain, { command: 'ADD', netns: sibling.path, id: 'c2' })).code, 0)
    await startEcho(node, pod, 80)

    t.is(ask(outside, '192.0.2.1', 8080), '192.0.2.2', 'from outside, the source kept')
    t.is(ask(outside, '192.0.2.1', 8080, 'udp'), '192.0.2.2')
    t.is(ask(outside, '192.0.2.1', 8081), '192.0.2.2', 'hostIP')
    t.is(ask(outside, '192.0.2.1', 8082), 'no answer', 'hostIP 127.0.0.1 is not for the outside')
    t.is(ask(outside, 'fd00:f::1', 8083), 'fd00:f::2', 'IPv6')
    t.not(ask(node.host, '192.0.2.1', 8080), 'no answer', 'the node by its address')
    t.is(ask(node.host, '127.0.0.1', 8080), '10.1.2.1', 'the node by loopback')
    t.is(ask(node.host, '127.0.0.1', 8082), '10.1.2.1')
    t.is(ask(pod, '192.0.2.1', 8080), '10.1.2.1', 'the pod itself')
    t.is(ask(sibling, '192.0.2.1', 8080), '10.1.2.1', 'a sibling on the bridge')
    t.is(ask(sibling, '192.0.2.1', 8081), '10.1.2.1')

    // DEL knows neither portMappings nor prevResult.
    if (conf['type'] === 'bridge')
      t.is((await node.run({ ...plain, type: 'portmap' }, { command: 'DEL' })).code, 0)
    t.is((await node.run(plain, { command: 'DEL' })).code, 0)
    t.deepEqual(node.rulesWith('net/c1/eth0'), [])
    t.deepEqual(node.rulesWith('8080'), [])
    t.is(ask(outside, '192.0.2.1', 8080), 'no answer')
  })
}

test('a host port in use is an error that names its pod and undoes everything; of a dead pod it is taken over', async (t) => {
  const node = new Node(t)
  await node.agent()
  const conf = node.conf({
    isGateway: true,
    ipMasq: true,
    runtimeConfig: { portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'tcp' }] },
  })
  const first = node.pod()
  const second = node.pod()
  t.is((await node.run(conf, { command: 'ADD', netns: first.path })).code, 0)
  const refused = await node.run(conf, { command: 'ADD', netns: second.path, id: 'c2' })
  t.is(refused.json.code, 100)
  t.is(refused.json.msg, 'a host port of container c2 is in use by net/c1/eth0')
  t.deepEqual(node.leases(), ['10.1.2.2'])
  t.deepEqual(node.rulesWith('c2'), [])
  t.is(node.links().length, 2)
  await first.remove()
  await waitUntil(() => node.links().length === 1, { what: 'the veth to go' })
  const taken = await node.run(conf, { command: 'ADD', netns: second.path, id: 'c2' })
  t.is(taken.code, 0, taken.stdout)
  t.is(node.rulesWith('"net/c2/eth0"').length > 0, true)
  // The late DEL of the first pod must not take the port away from the second.
  t.is((await node.run(conf, { command: 'DEL', netns: first.path })).code, 0)
  t.regex(node.rulesWith('10.1.2.4 . 80').join(), /net\/c2\/eth0/)
})

test('a UDP client that has been sending all the time reaches the new pod of a host port', async (t) => {
  const { node, outside } = withOutside(t)
  const script = join(node.directory, 'client.cjs')
  writeFileSync(
    script,
    `const client = require('node:dgram').createSocket('udp4')
client.on('message', (data) => console.log(String(data)))
client.on('error', () => {})
setInterval(() => client.send('x', 5353, '192.0.2.1', () => {}), 20)
`,
  )
  const client = outside.start([process.execPath, script])
  let answers = ''
  client.stdout?.on('data', (chunk: Buffer) => (answers += chunk))
  const portMappings = [{ hostPort: 5353, containerPort: 53, protocol: 'udp' }]
  const conf = node.conf({ isDefaultGateway: true, runtimeConfig: { portMappings } })
  for (const id of ['c1', 'c2']) {
    const pod = node.pod()
    await startEcho(node, pod, 53)
    t.is((await node.run(conf, { command: 'ADD', netns: pod.path, id })).code, 0)
    answers = ''
    await waitUntil(() => answers.includes('192.0.2.2'), { what: `an answer of ${id}`, timeoutMs: 3000 })
    t.is((await node.run(conf, { command: 'DEL', netns: pod.path, id })).code, 0)
  }
})

test('port mappings that cannot be are refused', async (t) => {
  const node = new Node(t)
  await node.agent()
  const netns = node.pod().path
  const add = (mapping: object) =>
    node.run(node.conf({ runtimeConfig: { portMappings: [mapping] } }), { command: 'ADD', netns })
  t.is((await add({ hostPort: 8080, containerPort: 0 })).json.msg, 'Invalid container port number: 0')
  t.is((await add({ hostPort: 70000, containerPort: 80 })).json.msg, 'Invalid host port number: 70000')
  t.regex(
    (await add({ hostPort: 80, containerPort: 80, protocol: 'ipx' })).json.msg ?? '',
    /unknown protocol "ipx"/,
  )
  t.regex(
    (await add({ hostPort: 80, containerPort: 80, hostIP: 'x' })).json.msg ?? '',
    /invalid IP address: x/,
  )
  t.deepEqual(node.leases(), [])
})

test('snat false keeps sources, masqAll hides all of them; DEL and a change of mind leave nothing', async (t) => {
  const { node, outside } = withOutside(t)
  await node.agent()
  const pod = node.pod()
  const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] }
  const conf = (more: object) => node.conf({ isDefaultGateway: true, runtimeConfig, ...more })
  const call = { command: 'ADD', netns: pod.path }
  const marked = () => node.host.nft('list', 'set', 'ip', 'plexus-cni', 'hostport_keys').includes('8080')
  t.is((await node.run(conf({ masqAll: true }), call)).code, 0)
  await startEcho(node, pod, 80)
  t.is(ask(outside, '192.0.2.1', 8080), '10.1.2.1', 'masqAll')
  t.false(marked())
  // As with a runtime that has forgotten how the pod was made.
  t.is((await node.run(conf({}), { command: 'DEL', netns: pod.path })).code, 0)
  t.deepEqual(node.rulesWith('8080'), [])
  const added = await node.run(conf({ snat: false }), call)
  t.is(added.code, 0, added.stdout)
  t.is(ask(outside, '192.0.2.1', 8080), '192.0.2.2', 'snat false')
  t.false(marked())
  const checked = { ...conf({ snat: false }), prevResult: added.json }
  t.is((await node.run(checked, { ...call, command: 'CHECK' })).code, 0)
  t.not((await node.run({ ...checked, snat: true }, { ...call, command: 'CHECK' })).code, 0, 'T49')
  t.is((await node.run(conf({}), { command: 'DEL' })).code, 0)
  t.deepEqual(node.rulesWith('8080'), [])
})
