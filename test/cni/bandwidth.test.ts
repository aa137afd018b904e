import test from 'ava'
import type { TestNamespace } from '../support/namespace.ts'
import { binDirectory, linkIn, Node, referenceDirectory } from './runtime.ts'

interface QdiscShown {
  kind: string
  root?: boolean
  options: { rate?: number; burst?: number; lat?: number; limit?: number }
}

function queues(namespace: TestNamespace, device: string): QdiscShown[] {
  return namespace
    .json<QdiscShown[]>('tc', '-j', 'qdisc', 'show', 'dev', device)
    .map(({ kind, root, options }) => ({ kind, ...(root === undefined ? {} : { root }), options }))
}

const limits = {
  ingressRate: 8_000_000,
  ingressBurst: 800_000,
  egressRate: 16_000_000,
  egressBurst: 1_600_000,
}

/** A pod on a bridge, and the configuration of the chained plugin. */
async function podWithBridge(node: Node) {
  const pod = node.pod()
  const bridge = await node.run(node.conf({ type: 'bridge' }), { command: 'ADD', netns: pod.path })
  const hostEnd = bridge.json.interfaces?.[1]?.name ?? ''
  const conf = (more: object) => ({
    cniVersion: '1.0.0',
    name: 'net',
    type: 'bandwidth',
    prevResult: bridge.json,
    ...more,
  })
  return { pod, hostEnd, conf }
}

test('bandwidth: the queues are those of the reference plugin, DEL removes the device', async (t) => {
  const node = new Node(t)
  const { pod, hostEnd, conf } = await podWithBridge(node)
  const shown: object[] = []
  for (const directory of [binDirectory, referenceDirectory]) {
    const call = { command: 'ADD', netns: pod.path }
    const added = await node.run(conf(limits), call, directory)
    t.is(added.code, 0, added.stdout)
    const device = added.json.interfaces?.at(-1)?.name ?? ''
    t.regex(device, /^bwp[0-9a-f]{12}$/)
    const { mtu = 0 } = linkIn(node.host, device) ?? {}
    const filter = node.host.run('tc', 'filter', 'show', 'dev', hostEnd, 'parent', 'ffff:')
    t.regex(filter, new RegExp(`mirred \\(Egress Redirect to device ${device}\\)`))
    shown.push({ device, mtu, host: queues(node.host, hostEnd), out: queues(node.host, device) })
    const check = await node.run(
      { ...conf(limits), prevResult: added.json },
      { ...call, command: 'CHECK' },
      directory,
    )
    t.is(check.code, 0, check.stdout)
    t.is((await node.run(conf(limits), { ...call, command: 'DEL' }, directory)).code, 0)
    t.is(linkIn(node.host, device), undefined)
    node.host.try('tc', 'qdisc', 'del', 'dev', hostEnd, 'root')
    node.host.try('tc', 'qdisc', 'del', 'dev', hostEnd, 'ingress')
  }
  t.deepEqual(shown[0], shown[1])
})

test('bandwidth: bad limits are refused, none are passed by', async (t) => {
  const node = new Node(t)
  const { pod, conf } = await podWithBridge(node)
  const add = (more: object) => node.run(conf(more), { command: 'ADD', netns: pod.path })
  t.regex((await add({ ingressBurst: 8000 })).json.msg ?? '', /if burst is set, rate must also be set/)
  t.regex((await add({ egressRate: 8000 })).json.msg ?? '', /if rate is set, burst must also be set/)
  t.regex(
    (await add({ ingressRate: 8000, ingressBurst: 2 ** 35 })).json.msg ?? '',
    /burst cannot be more than 4GB/,
  )
  const free = await add({})
  t.is(free.code, 0)
  t.is(free.json.interfaces?.length, 3)
  t.regex(
    (await node.run({ ...conf(limits), prevResult: undefined }, { command: 'ADD', netns: pod.path })).json
      .msg ?? '',
    /must be called as chained plugin/,
  )
  const stranger = {
    ...conf(limits),
    prevResult: { cniVersion: '1.0.0', interfaces: [{ name: 'br0' }], ips: [] },
  }
  t.regex(
    (await node.run(stranger, { command: 'ADD', netns: pod.path })).json.msg ?? '',
    /no host interface found/,
  )
})

test('bandwidth: CHECK sees lost and changed queues', async (t) => {
  const node = new Node(t)
  const { pod, hostEnd, conf } = await podWithBridge(node)
  const added = await node.run(conf(limits), { command: 'ADD', netns: pod.path })
  const check = (more: object = limits) =>
    node.run({ ...conf(more), prevResult: added.json }, { command: 'CHECK', netns: pod.path })
  t.is((await check()).code, 0)
  t.regex(
    (await check({ ...limits, ingressRate: 80_000_000 })).json.msg ?? '',
    /rate is 1000000 bytes\/s, not 10000000/,
  )
  node.host.run('tc', 'qdisc', 'del', 'dev', hostEnd, 'ingress')
  t.regex((await check()).json.msg ?? '', /ingress qdisc not found/)
  node.host.run('tc', 'qdisc', 'del', 'dev', hostEnd, 'root')
  t.regex((await check()).json.msg ?? '', /tbf qdisc not found/)
})

test('plexus: bandwidth of the runtime in one call; DEL and GC remove the device', async (t) => {
  const node = new Node(t)
  await node.agent()
  const conf = node.conf({ cniVersion: '1.1.0', runtimeConfig: { bandwidth: limits } })
  for (const [id, end] of [
    ['c1', { command: 'DEL', id: 'c1' }],
    ['c2', { command: 'GC' }],
  ] as const) {
    const pod = node.pod()
    const added = await node.run(conf, { command: 'ADD', id, netns: pod.path })
    t.is(added.code, 0, added.stdout)
    const device = added.json.interfaces?.[3]?.name ?? ''
    t.true(queues(node.host, device).some(({ kind }) => kind === 'tbf'))
    const call = { command: 'CHECK', id, netns: pod.path }
    t.is((await node.run({ ...conf, prevResult: added.json }, call)).code, 0)
    const ended = await node.run({ ...conf, 'cni.dev/valid-attachments': [] }, { netns: pod.path, ...end })
    t.is(ended.code, 0, ended.stdout)
    t.deepEqual(node.links(), ['br0'])
  }
})

test('bandwidth: what a pod sends and receives is really held back', async (t) => {
  const node = new Node(t)
  const pod = node.pod()
  const slow = { ingressRate: 400_000, ingressBurst: 80_000, egressRate: 400_000, egressBurst: 80_000 }
  const conf = node.conf({ isGateway: true, runtimeConfig: { bandwidth: slow } })
  t.is((await node.run(conf, { command: 'ADD', netns: pod.path })).code, 0)
  const program = `require('node:net').createServer((c) => { let n = 0; c.on('data', (d) => { n += d.length; if (n >= 60000) c.end(Buffer.alloc(60000)) }); c.on('error', () => {}) }).listen(7000, () => console.log('ready'))`
  const server = pod.start([process.execPath, '-e', program])
  await new Promise((resolve) => server.stdout?.once('data', resolve))
  const transfer = (address: string, from: TestNamespace): number => {
    const client = `const t = performance.now(); const c = require('node:net').connect(7000, '${address}', () => c.write(Buffer.alloc(60000))); c.resume(); c.on('close', () => console.log(performance.now() - t))`
    return Number(from.runWith({ timeoutMs: 30_000 }, process.execPath, '-e', client))
  }
  // 60 kB each way at 50 kB/s with 10 kB of burst: two seconds by arithmetic. A loaded machine makes it longer only.
  const shaped = transfer('10.1.2.2', node.host)
  t.true(shaped > 1500, `took ${shaped} ms`)
})
