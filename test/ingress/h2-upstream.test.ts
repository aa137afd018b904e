// HTTP/2 to servers: what they allow, refuse and take back, and how connections to them are used.
import { execFile } from 'node:child_process'
import http2 from 'node:http2'
import { promisify } from 'node:util'
import test from 'ava'
import { waitUntil } from '../support/index.ts'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'
import { call, frame, grpcServer } from './support/grpc.ts'
import {
  answer,
  CANCEL,
  goaway,
  type RawConnection,
  REFUSED,
  rawH2Server,
  reset,
  settings,
  Type,
} from './support/h2-server.ts'
import { ended, isRequest, nodeServer, post, route, served } from './support/h2-upstream.ts'

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

test('thousands of calls side by side to a server that allows few streams: everybody is answered (h2load)', async (t) => {
  const { port } = await nodeServer(
    t,
    (stream) => {
      stream.resume()
      stream.on('end', () => {
        if (stream.destroyed) return
        stream.respond({ ':status': 200 })
        stream.end('done')
      })
    },
    { settings: { maxConcurrentStreams: 7 } },
  )
  const { url } = await served(t, port, { keepalive_pool: { requests: 100 } })
  const { stdout } = await promisify(execFile)('h2load', [
    ...['-n2000', '-c4', '-m50', '--connection-active-timeout=60'],
    ...['-d', import.meta.filename, `${url}/a`],
  ])
  t.regex(stdout, /2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout/)
  t.regex(stdout, /status codes: 2000 2xx/)
})
