import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
  maximumBytes,
} from '../../cni/handover/frame.ts'
import { KeyedQueue } from '../../cni/handover/queue.ts'
import { command } from '../support/command.ts'
import { waitUntil } from '../support/wait.ts'
import { launchers, Node } from './runtime.ts'

test('frames survive any contents and any cutting', (t) => {
  const text = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(
      text,
      fc.dictionary(fc.stringMatching(/^CNI_[A-Z]{1,8}$/), fc.string({ unit: 'grapheme' })),
      fc.nat(),
      (stdin, variables, cut) => {
        const environment = Object.fromEntries(
          Object.entries(variables).map(([name, value]) => [name, value.replaceAll('\0', '')]),
        )
        const request = {
          type: 'plexus',
          netns: '4026531840',
          environment,
          stdin: Buffer.from(stdin).toString(),
        }
        const bytes = encodeRequest(request)
        t.deepEqual(decodeRequest(bytes), request)
        t.is(decodeRequest(bytes.subarray(0, cut % bytes.length)), undefined)
        const reply = { exitCode: 1, stdout: request.stdin, stderr: 'x' }
        t.deepEqual(decodeReply(encodeReply(reply)), reply)
      },
    ),
    { seed: 42, numRuns: 200 },
  )
})

test('what is no frame is refused, and a large one before it is read', (t) => {
  for (const head of [
    'GET / HTTP/1.1\n',
    'PLEXUS-CNI/2 plexus 1 0 0\n',
    'PLEXUS-CNI/1 plexus 1 -1 0\n',
    'PLEXUS-CNI/1 ../x 1 0 0\n',
    'x'.repeat(300),
  ]) {
    t.throws(() => decodeRequest(Buffer.from(head)), undefined, head)
  }
  t.throws(() => decodeRequest(Buffer.from(`PLEXUS-CNI/1 plexus 1 0 ${maximumBytes + 1}\n`)), {
    message: /larger than/,
  })
  t.throws(() => decodeRequest(Buffer.from('PLEXUS-CNI/1 plexus 1 0 99999999999\n')))
})

test('operations of one key run one after another, those of others do not wait', async (t) => {
  const queue = new KeyedQueue()
  const order: string[] = []
  const step = (name: string, gate?: Promise<void>) => async () => {
    order.push(`${name}+`)
    await gate
    order.push(`${name}-`)
  }
  const { promise, resolve } = Promise.withResolvers<void>()
  const all = [queue.run('a', step('a1', promise)), queue.run('a', step('a2')), queue.run('b', step('b1'))]
  await all[2]
  t.deepEqual(order, ['a1+', 'b1+', 'b1-'])
  resolve()
  await Promise.all(all)
  t.deepEqual(order.slice(3), ['a1-', 'a2+', 'a2-'])
  await t.throwsAsync(queue.run('a', () => Promise.reject(new Error('x'))))
  await t.notThrowsAsync(queue.run('a', step('a3')))
})

test('the agent: socket for root only, metrics, one log line per operation, clean stop', async (t) => {
  const node = new Node(t)
  const agent = await node.agent()
  let log = ''
  agent.stderr?.on('data', (chunk: Buffer) => (log += chunk))
  t.is(statSync(node.socket).mode & 0o777, 0o600)
  t.is(statSync(dirname(node.socket)).mode & 0o777, 0o700)
  const pod = node.pod()
  const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=catalog-1;K8S_POD_UID=u'
  t.is((await node.run(node.conf(), { command: 'ADD', netns: pod.path, args })).code, 0)
  t.not((await node.run(node.conf(), { command: 'ADD', netns: pod.path, args })).code, 0)
  t.is((await node.run(node.conf(), { command: 'DEL', netns: pod.path, args })).code, 0)
  const lines = await waitUntil(() => {
    const found = log
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []))
    return found.filter(({ command: name }) => name !== undefined).length === 3 ? found : undefined
  })
  const operations = lines.filter(({ command: name }) => name !== undefined)
  t.deepEqual(
    operations.map(({ object, command: name, containerID, level }) => [object, name, containerID, level]),
    [
      ['Pod shop/catalog-1', 'ADD', 'c1', 30],
      ['Pod shop/catalog-1', 'ADD', 'c1', 50],
      ['Pod shop/catalog-1', 'DEL', 'c1', 30],
    ],
  )
  agent.kill('SIGUSR1')
  const metricsFile = join(node.directory, 'agent1.metrics')
  const metrics = await waitUntil(() => existsSync(metricsFile) && readFileSync(metricsFile, 'utf8'))
  t.regex(metrics, /plexus_cni_requests_total\{command="ADD",result="success"\} 1/)
  t.regex(metrics, /plexus_cni_requests_total\{command="ADD",result="error"\} 1/)
  t.regex(metrics, /plexus_cni_request_duration_seconds_count\{command="DEL"\} 1/)
  agent.kill('SIGTERM')
  await waitUntil(() => agent.exitCode === 0, { what: 'the agent to stop' })
  t.false(existsSync(node.socket))
})

for (const launcher of launchers)
  test(`${launcher}: a socket left by a dead agent is replaced, and meanwhile the plugin works alone`, async (t) => {
    const node = new Node(t, launcher)
    const first = await node.agent()
    first.kill('SIGKILL')
    await waitUntil(() => first.signalCode === 'SIGKILL')
    t.true(existsSync(node.socket))
    const pod = node.pod()
    t.is((await node.run(node.conf(), { command: 'ADD', netns: pod.path })).code, 0)
    await node.agent()
    t.is((await node.run(node.conf(), { command: 'DEL', netns: pod.path })).code, 0)
    t.deepEqual(node.leases(), [])
  })

for (const launcher of launchers)
  test(`${launcher}: an agent in another network namespace leaves the work to the plugin`, async (t) => {
    const node = new Node(t, launcher)
    const elsewhere = new Node(t)
    await elsewhere.agent()
    const pod = node.pod()
    t.is(
      (await node.run({ ...node.conf(), socket: elsewhere.socket }, { command: 'ADD', netns: pod.path }))
        .code,
      0,
    )
    t.true(node.links().includes('br0'))
    t.deepEqual(elsewhere.links(), [])
  })

test('somebody who is not root is not served', async (t) => {
  const node = new Node(t)
  await node.agent()
  // Even if somebody opened the way to the socket, the peer's identity is looked at.
  for (const path of [node.socket, dirname(node.socket), node.directory]) chmodSync(path, 0o777)
  const script = join(node.directory, 'ask.cjs')
  writeFileSync(
    script,
    `process.setgid(65534); process.setuid(65534)
const socket = require('node:net').connect(${JSON.stringify(node.socket)})
let length = 0
socket.on('data', (chunk) => { length += chunk.length })
socket.on('error', () => {})
socket.on('close', () => console.log('answered ' + length))
socket.write('PLEXUS-CNI/1 plexus 1 0 0\\n')
`,
  )
  t.is(node.host.run(process.execPath, script).trim(), 'answered 0')
  t.is((await node.run(node.conf(), { command: 'ADD', netns: node.pod().path })).code, 0)
})

for (const launcher of launchers)
  test(`${launcher}: an agent that dies with the request in its hands: the plugin starts over by itself`, async (t) => {
    const node = new Node(t, launcher)
    const pod = node.pod()
    command(['mkdir', '-p', dirname(node.socket)])
    let requests = 0
    const server: Server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => {
        requests += 1
        socket.destroy()
      })
    })
    await new Promise<void>((resolve) => server.listen(node.socket, resolve))
    t.teardown(() => void server.close())
    const conf = node.conf({ isGateway: true })
    const { code, json } = await node.run(conf, { command: 'ADD', netns: pod.path })
    t.is(code, 0, JSON.stringify(json))
    t.is(requests, 1)
    // As if the dead agent had done everything but answer.
    const again = await node.run(conf, { command: 'ADD', netns: pod.path })
    t.is(again.code, 0, JSON.stringify(again.json))
    t.is(node.leases().length, 1)
    t.is((await node.run(conf, { command: 'DEL', netns: pod.path })).code, 0)
    t.deepEqual(node.leases(), [])
  })

test('a request may come in pieces, and many come at once', async (t) => {
  const node = new Node(t)
  await node.agent()
  const netns = String(statSync(node.host.path, { bigint: true }).ino)
  const ask = (id: string, pieces: number) => {
    const stdin = JSON.stringify({ cniVersion: '1.0.0', name: 'net', type: 'plexus' })
    const environment = { CNI_COMMAND: 'DEL', CNI_CONTAINERID: id, CNI_IFNAME: 'eth0', CNI_PATH: '/x' }
    const bytes = encodeRequest({ type: 'plexus', netns, environment, stdin })
    return new Promise<string>((resolve) => {
      let text = ''
      const socket = connect(node.socket)
      socket.on('data', (chunk: Buffer) => (text += chunk))
      socket.on('error', () => {})
      socket.on('close', () => resolve(text))
      const step = Math.ceil(bytes.length / pieces)
      const send = (at: number): void => {
        if (at >= bytes.length) return
        socket.write(bytes.subarray(at, at + step))
        setTimeout(() => send(at + step), 5)
      }
      send(0)
    })
  }
  const answers = await Promise.all(
    Array.from({ length: 24 }, (_, index) => ask(`c${index}`, 1 + (index % 4))),
  )
  t.deepEqual([...new Set(answers)], ['PLEXUS-CNI/1 0 0 0\n'])
})

test('garbage on the socket ends that connection, not the agent', async (t) => {
  const node = new Node(t)
  await node.agent()
  for (const garbage of ['x'.repeat(1000), 'PLEXUS-CNI/1 plexus 1 0 9999999\n', '\0\0\0']) {
    const answer = await new Promise<string>((resolve) => {
      let text = ''
      const socket = connect(node.socket)
      socket.on('data', (chunk: Buffer) => (text += chunk))
      socket.on('error', () => {})
      socket.on('close', () => resolve(text))
      socket.end(garbage)
    })
    t.is(answer, '')
  }
  t.is((await node.run(node.conf(), { command: 'ADD', netns: node.pod().path })).code, 0)
})
