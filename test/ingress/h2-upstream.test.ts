// HTTP/2 to servers: what they allow, ask for and take back, and how connections to them are used.
import { randomBytes } from 'node:crypto'
import http2 from 'node:http2'
import net from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { waitUntil } from '../support/index.ts'
import { httpBackend } from './support/backend.ts'
import { type TestGateway, testGateway } from './support/gateway.ts'
import { call, frame, grpcServer } from './support/grpc.ts'
import { frameOf } from './support/h2-frames.ts'
import {
  answer,
  CANCEL,
  END_STREAM,
  type Frame,
  goaway,
  number32,
  type RawConnection,
  REFUSED,
  rawH2Server,
  reset,
  settings,
  Type,
} from './support/h2-server.ts'
import { hasNginx, nginx } from './support/nginx.ts'

/** A route /* to these servers in HTTP/2. */
function route(gateway: TestGateway, ports: readonly number[], upstream: object = {}): Promise<void> {
  const nodes = Object.fromEntries(ports.map((port) => [`127.0.0.1:${port}`, 1]))
  return gateway.put('/routes/1', { uri: '/*', upstream: { scheme: 'grpc', nodes, ...upstream } })
}

async function served(t: ExecutionContext, port: number, upstream?: object): Promise<TestGateway> {
  const gateway = await testGateway(t)
  await route(gateway, [port], upstream)
  return gateway
}

type Stream = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void

/** A node:http2 server; `sessions` are those so far. */
async function nodeServer(t: ExecutionContext, onStream: Stream, options: http2.ServerOptions = {}) {
  const server = http2.createServer(options)
  const sessions: http2.ServerHttp2Session[] = []
  server.on('session', (session) => {
    session.on('error', () => {})
    sessions.push(session)
  })
  server.on('stream', (stream: http2.ServerHttp2Stream, fields: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {})
    onStream(stream, fields)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { port: (server.address() as net.AddressInfo).port, sessions }
}

const post = (url: string, body: string) => fetch(url, { method: 'POST', body })
const isRequest = ({ type }: Frame) => type === Type.headers
const ended = ({ flags, type }: Frame) => (type === Type.data || type === Type.headers) && (flags & 1) === 1

test('no more streams than the server allows; further connections carry the rest, later requests share them', async (t) => {
  const waiting: http2.ServerHttp2Stream[] = []
  let most = 0
  let hold = true
  const open = new Map<http2.Http2Session | undefined, number>()
  const { port, sessions } = await nodeServer(
    t,
    (stream) => {
      const { session } = stream
      const now = (open.get(session) ?? 0) + 1
      most = Math.max(most, now)
      open.set(session, now)
      stream.on('close', () => open.set(session, (open.get(session) ?? 0) - 1))
      stream.respond({ ':status': 200 })
      if (hold) waiting.push(stream)
      else stream.end('done')
    },
    { settings: { maxConcurrentStreams: 4 } },
  )
  const { url } = await served(t, port)
  const asked = Array.from({ length: 18 }, () => fetch(`${url}/a`))
  await waitUntil(() => waiting.length === 18)
  t.is(most, 4)
  t.is(sessions.length, 5)
  for (const stream of waiting) stream.end('done')
  for (const one of asked) t.is(await (await one).text(), 'done')
  hold = false
  for (let n = 0; n < 10; n++) t.is(await (await fetch(`${url}/a`)).text(), 'done')
  t.is(sessions.length, 5)
})

test('GOAWAY: what the server did not look at is repeated, what it did is not; a refused request is, within bounds', async (t) => {
  const refused: number[] = []
  const server = await rawH2Server(t, (connection, one) => {
    if (!ended(one)) return
    const { stream } = one
    if (connection.index === 0) {
      // The first is answered only after the second was turned away.
      if (stream === 3) connection.send(goaway(1), answer(1, 'first'))
    } else if (refused.length < 1) {
      refused.push(stream)
      connection.send(reset(stream, REFUSED))
    } else connection.send(answer(stream, 'again'))
  })
  const { url } = await served(t, server.port)
  const first = post(`${url}/a`, 'one')
  await waitUntil(() => server.connections[0]?.frames.some(ended))
  const second = post(`${url}/a`, 'two')
  t.is(await (await first).text(), 'first')
  t.is(await (await second).text(), 'again')
  t.is(server.connections.length, 2)
  // On the second connection the request came once more, its body with it.
  const bodies = server.connections[1]?.frames
    .filter(({ type }) => type === Type.data)
    .map(({ payload }) => `${payload}`)
  t.deepEqual(bodies, ['two', 'two'])

  let tries = 0
  const never = await rawH2Server(t, (connection, one) => {
    if (isRequest(one)) tries++
    if (ended(one)) connection.send(reset(one.stream, REFUSED))
  })
  const stubborn = await served(t, never.port)
  t.is((await post(`${stubborn.url}/a`, 'x')).status, 502)
  t.is(tries, 3)
})

test('a server that does not speak HTTP/2, or nothing at all, is left before anything is sent: even a POST goes on to the next', async (t) => {
  const old = await httpBackend(t)
  const silent = await rawH2Server(t, () => {}, Buffer.alloc(0))
  const good = await grpcServer(t)
  const timeout = { connect: 2, send: 20, read: 20 }
  const gateway = await testGateway(t)
  await route(gateway, [old.port, silent.port, good.port], { timeout })
  const session = http2.connect(gateway.url)
  t.teardown(() => session.destroy())
  const calls = Array.from({ length: 3 }, () => call(session, '/t.T/Echo', 'books'))
  for (const one of calls) one.stream.end(frame('hello'))
  for (const one of calls) t.is((await one.done).trailers['grpc-status'], '0')
  t.is(old.seen.length, 0)
  t.false(silent.connections.some(({ frames }) => frames.some(isRequest)))
  await route(gateway, [old.port], { timeout })
  t.is((await post(`${gateway.url}/a`, 'x')).status, 502)
  await route(gateway, [silent.port], { timeout })
  t.is((await post(`${gateway.url}/a`, 'x')).status, 504)
})

test('a server that stops answering costs its request, not the next one', async (t) => {
  const server = await rawH2Server(t, (connection, one) => {
    if (isRequest(one) && connection.index > 0) connection.send(answer(one.stream))
  })
  const { url } = await served(t, server.port, { timeout: { connect: 20, send: 20, read: 2 } })
  t.is((await fetch(`${url}/a`)).status, 504)
  await waitUntil(() =>
    server.connections[0]?.frames.some(({ type, payload }) => type === Type.reset && payload[3] === CANCEL),
  )
  t.is(await (await fetch(`${url}/a`)).text(), 'hello')
  t.is(server.connections.length, 2)
})

test('windows and tables change while a body is on its way; PING and SETTINGS are answered', async (t) => {
  const body = randomBytes(300_000)
  let seen = Buffer.alloc(0)
  const server = await rawH2Server(
    t,
    (connection, one) => {
      const { type, stream, payload, flags } = one
      if (isRequest(one)) {
        // RFC 7541 §4.2: it was told that the table is gone.
        t.is(payload[0], 0x20)
        connection.send(settings([4, 1000]), frameOf(Type.ping, 0, 0, Buffer.from('12345678')))
      }
      if (type !== Type.data) return
      t.true(payload.length <= 16_384)
      seen = Buffer.concat([seen, payload])
      // Each window is used to its end: the stream's of 100, then 1000, the connection's, the stream's of 70,000.
      if (seen.length === 1000) connection.send(settings([4, 70_000]))
      if (seen.length === 65_535) connection.send(frameOf(Type.window, 0, 0, number32(1_000_000)))
      if (seen.length === 70_000) connection.send(frameOf(Type.window, 0, stream, number32(1000)))
      if (seen.length === 71_000) connection.send(frameOf(Type.window, 0, stream, number32(1_000_000)))
      if ((flags & END_STREAM) === 1) connection.send(answer(stream))
    },
    settings([4, 100], [1, 0]),
  )
  const { url } = await served(t, server.port)
  const response = await fetch(`${url}/a`, { method: 'POST', body })
  t.is(await response.text(), 'hello')
  t.deepEqual(seen, body)
  const frames = server.connections[0]?.frames ?? []
  const acknowledged = (type: number) => frames.filter((one) => one.type === type && one.flags === 1)
  t.is(`${acknowledged(Type.ping)[0]?.payload}`, '12345678')
  t.is(acknowledged(Type.settings).length, 3)
})

for (const transport of ['net', 'raw'] as const) {
  test(`a slow client holds its own server back, nobody else's, and loses nothing (${transport})`, async (t) => {
    const size = 8_000_000
    const body = randomBytes(size)
    let sent = 0
    const { port, sessions } = await nodeServer(t, (stream, { ':path': path }) => {
      stream.respond({ ':status': 200, 'content-length': path === '/large' ? size : 5 })
      if (path !== '/large') return stream.end('small')
      const step = () => {
        while (sent < size) {
          const piece = body.subarray(sent, sent + 50_000)
          sent += piece.length
          if (!stream.write(piece)) return stream.once('drain', step)
        }
        return stream.end()
      }
      return step()
    })
    const gateway = await testGateway(t, { config: { transport } })
    await route(gateway, [port])
    const socket = net.connect(gateway.port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n')
    // Not read: what buffers there are fill up, and the server stands still.
    await new Promise((resolve) => socket.once('readable', resolve))
    let before = -1
    await waitUntil(
      () => {
        const still = sent === before
        before = sent
        return still
      },
      { intervalMs: 300 },
    )
    t.true(sent < size, `${sent} of ${size} sent`)
    for (let n = 0; n < 20; n++) t.is(await (await fetch(`${gateway.url}/small`)).text(), 'small')
    t.is(sessions.length, 1)
    const pieces: Buffer[] = []
    let got = 0
    socket.on('data', (chunk: Buffer) => {
      pieces.push(chunk)
      got += chunk.length
    })
    await waitUntil(() => got > size)
    const all = Buffer.concat(pieces)
    const start = all.indexOf('\r\n\r\n') + 4
    await waitUntil(() => got >= size + start)
    t.true(Buffer.concat(pieces).subarray(start).equals(body))
  })
}

test('a server that does not read holds the client back', async (t) => {
  const streams: http2.ServerHttp2Stream[] = []
  const { port } = await nodeServer(t, (stream) => {
    streams.push(stream)
    stream.pause()
  })
  const gateway = await served(t, port)
  const session = http2.connect(gateway.url)
  t.teardown(() => session.destroy())
  const upload = session.request({ ':method': 'POST', ':path': '/a' })
  upload.on('error', () => {})
  let taken = 0
  const piece = Buffer.alloc(100_000)
  const write = () =>
    upload.write(piece, () => {
      taken += piece.length
      if (taken < 20_000_000) write()
    })
  write()
  let before = -1
  await waitUntil(
    () => {
      const still = taken > 0 && taken === before
      before = taken
      return still
    },
    { intervalMs: 300 },
  )
  t.true(taken < 2_000_000, `${taken} bytes taken`)
  streams[0]?.resume()
  await waitUntil(() => taken >= 20_000_000)
})

test('trailers of requests, 103, and an answer before the request has ended', async (t) => {
  let trailers: http2.IncomingHttpHeaders | undefined
  const { port } = await nodeServer(t, (stream, { ':path': path }) => {
    if (path === '/early') {
      stream.respond({ ':status': 413 })
      stream.end('enough')
      stream.close(http2.constants.NGHTTP2_NO_ERROR)
      return
    }
    stream.additionalHeaders({ ':status': 103, link: '</style.css>' })
    stream.on('trailers', (fields) => {
      trailers = fields
    })
    stream.resume()
    stream.on('end', () => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }))
      stream.end('body')
    })
  })
  const gateway = await served(t, port)
  const session = http2.connect(gateway.url)
  t.teardown(() => session.destroy())
  const stream = session.request({ ':method': 'POST', ':path': '/a' }, { waitForTrailers: true } as object)
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': 'yes' }))
  stream.end('content')
  const interim: unknown[] = []
  stream.on('headers', (fields) => interim.push([fields[':status'], fields.link]))
  const last = await new Promise<http2.IncomingHttpHeaders>((resolve) => {
    stream.on('trailers', resolve)
    stream.resume()
  })
  t.is(last['x-sum'], '42')
  t.is(trailers?.['x-check'], 'yes')
  t.deepEqual(interim, [[103, '</style.css>']])

  const early = session.request({ ':method': 'POST', ':path': '/early' })
  early.write('only the beginning')
  early.on('error', () => {})
  let status = 0
  early.on('response', (fields) => {
    status = Number(fields[':status'])
  })
  const text = await new Promise((resolve) => {
    let all = ''
    early.on('data', (chunk: Buffer) => (all += chunk.toString()))
    early.on('end', () => resolve(all))
  })
  t.is(status, 413)
  t.is(text, 'enough')
})

test('keepalive_pool: requests per connection, idle time, idle connections kept', async (t) => {
  const server = await rawH2Server(t, (connection, one) => {
    if (isRequest(one)) connection.send(answer(one.stream))
  })
  const gateway = await testGateway(t)
  const ask = async (times: number) => {
    for (let n = 0; n < times; n++) t.is(await (await fetch(`${gateway.url}/a`)).text(), 'hello')
  }
  const over = ({ frames, socket }: RawConnection) =>
    frames.some(({ type }) => type === Type.goaway) && socket.readableEnded
  const { connections } = server
  await route(gateway, [server.port], { keepalive_pool: { requests: 3 } })
  await ask(7)
  t.is(connections.length, 3)
  await waitUntil(() => connections.slice(0, 2).every(over))
  await route(gateway, [server.port], { keepalive_pool: { idle_timeout: 0.3 } })
  await ask(1)
  await waitUntil(() => connections.every(over))

  const held: (() => void)[] = []
  const narrow = await rawH2Server(
    t,
    (connection, one) => {
      if (!isRequest(one)) return
      held.push(() => connection.send(answer(one.stream)))
      if (held.length === 3) for (const release of held) release()
    },
    settings([3, 1]),
  )
  await route(gateway, [narrow.port], { keepalive_pool: { size: 1 } })
  await Promise.all([ask(1), ask(1), ask(1)])
  t.is(narrow.connections.length, 3)
  await waitUntil(() => narrow.connections.filter(over).length === 2)
})

test('a changed upstream breaks no stream; idle connections of clients are counted as waiting', async (t) => {
  const [one, two] = [await grpcServer(t), await grpcServer(t)]
  const gateway = await served(t, one.port)
  const session = http2.connect(gateway.url)
  t.teardown(() => session.destroy())
  const long = call(session, '/t.T/Echo', 'books')
  long.stream.write(frame('before'))
  await long.received(1)
  const states = async () => {
    const metric = gateway.metrics.getSingleMetric('apisix_nginx_http_current_connections')
    const { values = [] } = (await metric?.get()) ?? {}
    return Object.fromEntries(values.map(({ labels, value }) => [labels['state'], value]))
  }
  t.is((await states())['waiting'], 0)
  await route(gateway, [two.port])
  const next = call(session, '/t.T/Echo', 'books')
  next.stream.end(frame('new'))
  await next.done
  t.is(two.seen.length, 1)
  long.stream.end(frame('after'))
  t.is((await long.done).trailers['grpc-status'], '0')
  t.deepEqual(long.messages, ['before', 'after'])
  await waitUntil(async () => (await states())['waiting'] === 1)
  t.is((await states())['upstream_idle'], 2)
})

test('many clients at once through one gateway to a server that is slow to accept: everybody is answered', async (t) => {
  const { port } = await nodeServer(t, (stream) => {
    setImmediate(() => {
      if (stream.destroyed) return
      stream.respond({ ':status': 200 })
      stream.end('done')
    })
  })
  const { url } = await served(t, port)
  const answers = await Promise.all(Array.from({ length: 300 }, async () => (await fetch(`${url}/a`)).text()))
  t.true(answers.every((text) => text === 'done'))
})

const withNginx = hasNginx ? test : test.skip
withNginx('nginx as the server: bodies both ways, HEAD, a status without content', async (t) => {
  const { port } = await nginx(
    t,
    `server { listen 127.0.0.1:PORT http2; client_max_body_size 0;
      location /echo { proxy_pass http://127.0.0.1:PORT1; proxy_request_buffering off; }
      location /none { return 204; }
      location / { add_trailer x-last yes; return 200 'a body'; } }`.replace(
      'PORT1',
      String((await httpBackend(t)).port),
    ),
  )
  const gateway = await served(t, port)
  const body = randomBytes(1_000_000)
  const echoed = await fetch(`${gateway.url}/echo`, { method: 'POST', body })
  t.true(Buffer.from(await echoed.arrayBuffer()).equals(body))
  t.is((await fetch(`${gateway.url}/none`)).status, 204)
  const head = await fetch(`${gateway.url}/a`, { method: 'HEAD' })
  t.is(head.headers.get('content-length'), '6')
  t.is(await (await fetch(`${gateway.url}/a`)).text(), 'a body')
})
