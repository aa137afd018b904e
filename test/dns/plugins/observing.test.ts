/** dnstap (read by dnstap-read of BIND) and trace (to a stub of Zipkin and of a Datadog agent). */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { testDirectory, waitUntil } from '../../support/index.ts'
import { always, dig, freePort, serve, stubUpstream, type Teardown } from '../support/index.ts'

const run = promisify(execFile)
const block = (...lines: string[]): string => `. {\n bind 127.0.0.1\n ${lines.join('\n ')}\n}`

/** A control frame of a frame stream. */
function control(type: number): Buffer {
  const name = 'protobuf:dnstap.Dnstap'
  const head = Buffer.alloc(20)
  head.writeUInt32BE(12 + name.length, 4)
  head.writeUInt32BE(type, 8)
  head.writeUInt32BE(1, 12)
  head.writeUInt32BE(name.length, 16)
  return Buffer.concat([head, Buffer.from(name)])
}

/** Takes part in the handshake and gathers what comes after it, from START on. */
function collect(socket: Socket): { octets: () => Buffer } {
  let buffered = Buffer.alloc(0)
  let accepted = false
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk])
    const ready = control(4).length
    if (accepted || buffered.length < ready) return
    accepted = true
    buffered = Buffer.from(buffered.subarray(ready))
    socket.write(control(1))
  })
  return { octets: () => buffered }
}

/** What dnstap-read says about the frames, one line each. */
async function read(directory: string, octets: Buffer): Promise<string[]> {
  const file = join(directory, 'tap')
  // STOP ends a file.
  writeFileSync(file, Buffer.concat([octets, Buffer.from('00000000000000040000000' + '3', 'hex')]))
  const { stdout } = await run('dnstap-read', [file])
  return stdout.trim().split('\n')
}

const tapTest = existsSync('/usr/bin/dnstap-read') ? test : test.skip

tapTest(
  'dnstap to a collector: clients and upstreams, with messages; it comes late and comes back',
  async (t) => {
    const directory = testDirectory(t, 'tap')
    const path = join(directory, 'socket')
    const upstream = await stubUpstream(t, always('192.0.2.1'))
    const { port } = await serve(
      t,
      block(
        'metadata',
        `dnstap ${path} full {\n identity me\n version v7\n extra "up {/forward/upstream}"\n }`,
        `forward . 127.0.0.1:${upstream.port}`,
      ),
    )
    // Nobody listens yet: what happens now waits.
    t.is((await dig(port, 'early.example', 'A')).answer.length, 1)
    const server = createServer()
    const parts: { octets: () => Buffer }[] = []
    const sockets: Socket[] = []
    server.on('connection', (socket) => {
      sockets.push(socket)
      parts.push(collect(socket))
    })
    server.listen(path)
    t.teardown(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    const lines = async (part: number): Promise<string[]> =>
      read(directory, parts[part]?.octets() ?? Buffer.alloc(0))
    await waitUntil(async () => (await lines(0)).length >= 4)
    const early = await lines(0)
    t.is(early.length, 4)
    t.true(
      early.some((line) =>
        / CQ 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+ UDP \d+b early\.example\/IN\/A/.test(line),
      ),
    )
    t.true(
      early.some((line) =>
        / CR 127\.0\.0\.1:\d+ <- 127\.0\.0\.1:\d+ UDP \d+b early\.example\/IN\/A/.test(line),
      ),
    )
    t.true(early.some((line) => line.includes(' FQ ') && line.includes(`127.0.0.1:${upstream.port} UDP`)))
    t.true(early.some((line) => line.includes(' FR ') && line.includes(`127.0.0.1:${upstream.port} UDP`)))
    const { stdout } = await run('dnstap-read', ['-y', join(directory, 'tap')])
    t.regex(stdout, /identity: "?me/)
    t.regex(stdout, /version: "?v7/)
    t.regex(stdout, /192\.0\.2\.1/)
    // The collector goes and comes back.
    sockets[0]?.destroy()
    await waitUntil(() => parts.length === 2)
    await dig(port, 'later.example', 'A', '+tcp')
    await waitUntil(async () => (await lines(1)).some((line) => / CR .* TCP \d+b later\.example/.test(line)))
    t.pass()
  },
)

for (const kind of ['tcp', 'unix'] as const) {
  test(`dnstap listen on ${kind}: a reload keeps the address`, async (t) => {
    const directory = testDirectory(t, 'tap')
    const at = kind === 'tcp' ? `127.0.0.1:${await freePort()}` : join(directory, 'socket')
    const file = join(directory, 'Corefile')
    const corefile = (address: string): string =>
      block(`dnstap listen ${kind}://${at}`, `hosts /nonexistent {\n ${address} x.example\n }`)
    writeFileSync(file, corefile('192.0.2.1'))
    const { port, dns } = await serve(t, file, { file: true })
    writeFileSync(file, corefile('192.0.2.2'))
    t.true(await dns.reload())
    t.deepEqual((await dig(port, 'x.example', 'A')).answer, ['x.example. 3600 A 192.0.2.2'])
    // A collector that comes now is told of what happens now.
    await waitUntil(async () => {
      const socket = kind === 'tcp' ? connect(Number(at.split(':')[1]), '127.0.0.1') : connect(at)
      const collected = collect(socket)
      try {
        await waitUntil(() => collected.octets().length > 0, { timeoutMs: 2000 })
        await dig(port, 'x.example', 'A')
        return await waitUntil(() => collected.octets().length > control(2).length, { timeoutMs: 2000 })
      } finally {
        socket.destroy()
      }
    })
  })
}

tapTest('dnstap listen: collectors come to us; without full there are no messages', async (t) => {
  const directory = testDirectory(t, 'tap')
  const at = await freePort()
  const { port } = await serve(
    t,
    block(`dnstap listen tcp://127.0.0.1:${at}`, 'hosts /nonexistent {\n 192.0.2.1 x.example\n }'),
  )
  const socket = connect(at, '127.0.0.1')
  t.teardown(() => void socket.destroy())
  const collected = collect(socket)
  await waitUntil(() => collected.octets().length > 0)
  await dig(port, 'x.example', 'A')
  await waitUntil(async () => (await read(directory, collected.octets())).length >= 2)
  const lines = await read(directory, collected.octets())
  t.true(lines.some((line) => line.includes(' CQ ')))
  t.false(lines.some((line) => line.includes('x.example')))
  for (const [line, message] of [
    ['dnstap', /needs at least 1 argument/],
    ['dnstap tcp://nowhere', /no HOST:PORT/],
    ['dnstap /x full 0', /must be a number from 1 to 1024/],
    ['dnstap listen /x full 1', /too many arguments/],
    ['dnstap /x {\n tls a b\n }', /tls is for: dnstap listen/],
  ] as const)
    await t.throwsAsync(serve(t, block(line)), { message })
})

interface Received {
  readonly method: string
  readonly url: string
  readonly text: string
}

async function collector(
  t: Teardown,
): Promise<{ port: number; received: Received[]; status: { now: number } }> {
  const received: Received[] = []
  const status = { now: 202 }
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '' } = request
      if (status.now < 300) received.push({ method, url, text: Buffer.concat(chunks).toString() })
      response.writeHead(status.now).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  return { port: typeof address === 'object' && address !== null ? address.port : 0, received, status }
}

interface ZipkinSpan {
  readonly name: string
  readonly traceId: string
  readonly id: string
  readonly parentId?: string
  readonly kind: string
  readonly timestamp: number
  readonly duration: number
  readonly localEndpoint: { readonly serviceName: string }
  readonly tags: Readonly<Record<string, string>>
}

test('trace to Zipkin: spans of queries and upstreams, one of so many; what could not be sent comes later', async (t) => {
  const zipkin = await collector(t)
  const upstream = await stubUpstream(t, always('192.0.2.1'))
  const { port, lines } = await serve(
    t,
    block(
      `trace 127.0.0.1:${zipkin.port} {\n every 2\n service edge\n zipkin_max_batch_interval 50ms\n client_server\n }`,
      'rewrite name suffix .example .example.net answer auto',
      `forward . 127.0.0.1:${upstream.port}`,
    ),
  )
  zipkin.status.now = 503
  for (const name of ['a', 'b', 'c', 'd']) await dig(port, `${name}.example`, 'A')
  await waitUntil(() => lines.some((line) => line.includes('traces cannot be sent')))
  zipkin.status.now = 202
  const spans = (): ZipkinSpan[] => zipkin.received.flatMap(({ text }) => JSON.parse(text) as ZipkinSpan[])
  await waitUntil(() => spans().length >= 8)
  t.true(zipkin.received.every(({ method, url }) => method === 'POST' && url === '/api/v2/spans'))
  const servers = spans().filter(({ kind }) => kind === 'SERVER')
  t.deepEqual(servers.map(({ tags }) => tags['coredns.io/name']).sort(), ['b.example.', 'd.example.'])
  for (const span of servers) {
    t.like(span.tags, {
      'coredns.io/type': 'A',
      'coredns.io/rcode': 'NOERROR',
      'coredns.io/plugin': 'forward',
    })
    t.is(span.localEndpoint.serviceName, 'edge')
    t.regex(span.traceId, /^[0-9a-f]{32}$/)
    const below = spans().filter(({ parentId }) => parentId === span.id)
    t.deepEqual(below.map(({ name }) => name).sort(), ['connect', 'rewrite'])
    t.like(
      below.find(({ name }) => name === 'connect'),
      { kind: 'CLIENT', traceId: span.traceId },
    )
    const [rewrite] = below.filter(({ name }) => name === 'rewrite')
    const inner = spans().filter(({ parentId }) => parentId === rewrite?.id)
    t.deepEqual(
      inner.map(({ name, traceId }) => [name, traceId]),
      [['forward', span.traceId]],
    )
    t.true(Math.abs(span.timestamp / 1000 - Date.now()) < 600_000)
  }
})

test('trace to Datadog', async (t) => {
  const agent = await collector(t)
  const { port } = await serve(
    t,
    block(
      `trace datadog 127.0.0.1:${agent.port} {\n datadog_analytics_rate 0.5\n zipkin_max_batch_size 1\n }`,
      'hosts /nonexistent {\n 192.0.2.1 x.example\n }',
    ),
  )
  await dig(port, 'x.example', 'A')
  await waitUntil(() => agent.received.length > 1)
  const [inner, whole] = agent.received
  t.like(whole, { method: 'PUT', url: '/v0.4/traces' })
  t.regex(inner?.text ?? '', /"name":"hosts"/)
  const [[span]] = JSON.parse(whole?.text ?? '') as [[{ service: string; metrics: object; meta: object }]]
  t.is(span.service, 'coredns')
  t.deepEqual(span.metrics, { '_dd1.sr.eausr': 0.5 })
  t.like(span.meta, { 'coredns.io/name': 'x.example.' })
  for (const [line, message] of [
    ['trace jaeger localhost:1', /must be zipkin or datadog/],
    ['trace {\n every 0\n }', /must be a number from 1/],
    ['trace {\n datadog_analytics_rate 2\n }', /from 0 to 1/],
  ] as const)
    await t.throwsAsync(serve(t, block(line)), { message })
})
