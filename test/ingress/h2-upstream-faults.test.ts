// HTTP/2 servers that send what they should not: their requests end, nobody else's do.

import http2 from 'node:http2'
import net from 'node:net'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { waitUntil } from '../support/index.ts'
import { testGateway } from './support/gateway.ts'
import { call, frame, grpcServer } from './support/grpc.ts'
import { blockOf, frameOf } from './support/h2-frames.ts'
import {
  answer,
  data,
  END_HEADERS,
  END_STREAM,
  goaway,
  headers,
  number32,
  type RawConnection,
  rawH2Server,
  reset,
  settings,
  Type,
} from './support/h2-server.ts'

const seed = Number(process.env.GATEWAY_FUZZ_SEED ?? Date.now() % 1_000_000)
const none = Buffer.alloc(0)
const times = (count: number, one: Buffer) => Buffer.concat(Array.from({ length: count }, () => one))
const OK = [':status', '200'] as const
const UNKNOWN = 99

/** What each server sends when the request on stream 1 comes, and what becomes of the request. */
const heads: Readonly<Record<string, Buffer>> = {
  'endless empty CONTINUATION': Buffer.concat([
    frameOf(Type.headers, 0, 1, blockOf([OK])),
    times(15_000, frameOf(Type.more, 0, 1, none)),
  ]),
  'endless head': Buffer.concat([
    frameOf(Type.headers, 0, 1, blockOf([OK])),
    times(8, frameOf(Type.more, 0, 1, Buffer.alloc(16_000))),
  ]),
  // In the table once, it costs a byte each time.
  'header bomb': frameOf(
    Type.headers,
    END_HEADERS | END_STREAM,
    1,
    Buffer.concat([
      blockOf([OK]),
      Buffer.from('\x40\x01x\x7f\x81\x16', 'latin1'),
      Buffer.alloc(2944, 'v'),
      Buffer.alloc(100, 0xbe),
    ]),
  ),
  'a block without sense': frameOf(Type.headers, END_HEADERS, 1, Buffer.from([0x80])),
  'a block interrupted': Buffer.concat([frameOf(Type.headers, 0, 1, blockOf([OK])), data(1, 'x')]),
  'CONTINUATION of nothing': frameOf(Type.more, END_HEADERS, 1, blockOf([OK])),
  'endless PING': times(15_000, frameOf(Type.ping, 0, 0, Buffer.alloc(8))),
  'endless SETTINGS': times(15_000, settings()),
  'endless RST_STREAM': times(15_000, reset(1, 8)),
  'endless 103': times(15_000, headers(1, [[':status', '103']])),
  'endless frames of a kind nobody knows': times(15_000, frameOf(77, 0, 0, none)),
  'endless PRIORITY': times(15_000, frameOf(2, 0, 1, Buffer.alloc(5))),
  'a window too large': times(2, frameOf(Type.window, 0, 1, number32(2 ** 31 - 1))),
  "the connection's window too large": times(2, frameOf(Type.window, 0, 0, number32(2 ** 31 - 1))),
  'a window that grows by nothing': frameOf(Type.window, 0, 1, number32(0)),
  'an initial window too large': settings([4, 2 ** 31]),
  'SETTINGS of odd size': frameOf(Type.settings, 0, 0, Buffer.alloc(5)),
  'DATA at first': data(1, 'hello', END_STREAM),
  'HEADERS of a stream of its own': headers(2, [OK]),
  'HEADERS of a stream nobody opened': headers(UNKNOWN, [OK]),
  'DATA of a stream nobody opened': data(UNKNOWN, 'x'),
  'RST_STREAM of a stream nobody opened': reset(UNKNOWN, 0),
  PUSH_PROMISE: frameOf(5, END_HEADERS, 1, Buffer.concat([number32(2), blockOf([OK])])),
  'a frame too large': frameOf(Type.data, 0, 1, Buffer.alloc(20_000)),
  'more padding than payload': frameOf(Type.headers, END_HEADERS | 8, 1, Buffer.from([9, 1, 2])),
  'no status': headers(1, [['server', 'a']]),
  'two statuses': headers(1, [OK, OK], END_STREAM),
  'a status that is none': headers(1, [[':status', '2 0']]),
  'status 101': headers(1, [[':status', '101']], END_STREAM),
  'a status behind fields': headers(1, [['server', 'a'], OK]),
  'another pseudo-field': headers(1, [OK, [':path', '/']]),
  'a name in upper case': headers(1, [OK, ['Server', 'a']]),
  'a name with a line break': headers(1, [OK, ['x\r\ny', 'a']]),
  'a value with a line break': headers(1, [OK, ['x', 'a\r\nset-cookie: b']]),
  'a value with NUL': headers(1, [OK, ['x', 'a\0b']]),
  connection: headers(1, [OK, ['connection', 'close']]),
  'transfer-encoding': headers(1, [OK, ['transfer-encoding', 'chunked']]),
  'two lengths': headers(1, [OK, ['content-length', '1'], ['content-length', '1']]),
  'a length that is none': headers(1, [OK, ['content-length', '+1']]),
  'a length without content': headers(1, [OK, ['content-length', '5']], END_STREAM),
  'an interim response that ends': headers(1, [[':status', '103']], END_STREAM),
  RST_STREAM: reset(1, 2),
  'GOAWAY of everything': goaway(0, 2),
  'GOAWAY too short': frameOf(Type.goaway, 0, 0, Buffer.alloc(7)),
  'the end': none,
}

const bodies: Readonly<Record<string, Buffer>> = {
  'more content than announced': data(1, 'too much', END_STREAM),
  'less content than announced': data(1, 'ah', END_STREAM),
  'less content than announced, and trailers': headers(1, [['x', 'y']], END_STREAM),
  'trailers that do not end': headers(1, [['x', 'y']]),
  'trailers with a status': headers(1, [OK], END_STREAM),
  'a reset in the middle': Buffer.concat([data(1, 'ah'), reset(1, 2)]),
  'the end in the middle': data(1, 'ah'),
}

const requested = (frames: RawConnection['frames']) => frames.some(({ type }) => type === Type.headers)

/** A gateway with a route to a server for each name that sends those bytes and no more, and one to a server in order. */
async function servers(t: ExecutionContext, named: Readonly<Record<string, Buffer>>) {
  const gateway = await testGateway(t)
  const paths = new Map<string, string>()
  const timeout = { connect: 10, send: 10, read: 10 }
  const routes = Object.entries(named).map(async ([name, bytes], n) => {
    const { port } = await rawH2Server(t, (connection, { flags, type }) => {
      if (type !== Type.headers || (flags & END_STREAM) === 0) return
      connection.send(bytes)
      if (name.startsWith('the end')) connection.socket.end()
    })
    paths.set(name, `${gateway.url}/bad/${n}`)
    const upstream = { scheme: 'grpc', nodes: { [`127.0.0.1:${port}`]: 1 }, timeout }
    await gateway.put(`/routes/bad-${n}`, { uri: `/bad/${n}`, upstream })
  })
  await Promise.all(routes)
  const good = await grpcServer(t)
  await gateway.put('/routes/good', {
    uri: '/t.T/*',
    upstream: { scheme: 'grpc', nodes: { [`127.0.0.1:${good.port}`]: 1 } },
  })
  const session = http2.connect(gateway.url)
  t.teardown(() => session.destroy())
  return { paths, session, gateway }
}

test('a server that sends what makes no sense, or does not end: 502, and other servers are not affected', async (t) => {
  const { paths, session } = await servers(t, heads)
  const beside = call(session, '/t.T/Echo', 'books')
  beside.stream.write(frame('before'))
  await beside.received(1)
  for (const [name, url] of paths) t.is((await fetch(url)).status, 502, name)
  beside.stream.end(frame('after'))
  t.is((await beside.done).trailers['grpc-status'], '0')
})

test('an answer that goes wrong after its head is cut short', async (t) => {
  const begun = Object.entries(bodies).map(([name, bytes]) => {
    const head = headers(1, [OK, ['content-length', '5']])
    return [name, Buffer.concat([head, bytes])] as const
  })
  const { paths } = await servers(t, Object.fromEntries(begun))
  for (const [name, url] of paths) {
    const response = await fetch(url)
    t.is(response.status, 200, name)
    await t.throwsAsync(response.text(), undefined, name)
  }
})

test('a complete answer counts, whatever follows it', async (t) => {
  const after = {
    'RST_STREAM NO_ERROR': reset(1, 0),
    'DATA behind the end': data(1, 'more'),
    'HEADERS behind the end': headers(1, [['x', 'y']], END_STREAM),
    'what makes no sense': frameOf(Type.settings, 0, 0, Buffer.alloc(5)),
    'frames of a kind nobody knows': frameOf(77, 255, 1, Buffer.alloc(100)),
    GOAWAY: goaway(1, 0),
  }
  const whole = Object.entries(after).map(
    ([name, bytes]) => [name, Buffer.concat([answer(1), bytes])] as const,
  )
  const { paths } = await servers(t, Object.fromEntries(whole))
  for (const [name, url] of paths) t.is(await (await fetch(url)).text(), 'hello', name)
})

test('a server that sends more than windows allow is stopped', async (t) => {
  let stopped = false
  const { port } = await rawH2Server(t, (connection, { type, payload }) => {
    if (type === Type.reset) stopped = payload.readUInt32BE(0) === 3
    if (type !== Type.headers) return
    connection.send(headers(1, [OK]))
    const pump = () => {
      for (let n = 0; n < 4; n++) connection.send(data(1, Buffer.alloc(16_000)))
      if (!stopped) setImmediate(pump)
    }
    pump()
  })
  const gateway = await testGateway(t)
  const upstream = { scheme: 'grpc', nodes: { [`127.0.0.1:${port}`]: 1 } }
  await gateway.put('/routes/1', { uri: '/*', upstream })
  // It reads nothing.
  const socket = net.connect(gateway.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n')
  await waitUntil(() => stopped)
  t.true(stopped)
})

test('answers that are damaged at random end in some answer, and the gateway goes on', async (t) => {
  t.log(`GATEWAY_FUZZ_SEED=${seed}`)
  let bytes: Buffer = none
  const server = await rawH2Server(t, (connection, { type }) => {
    if (type !== Type.headers) return
    connection.send(bytes)
    connection.socket.end()
  })
  const { gateway, session } = await servers(t, {})
  const upstream = { scheme: 'grpc', nodes: { [`127.0.0.1:${server.port}`]: 1 }, retries: 0 }
  await gateway.put('/routes/fuzz', { uri: '/fuzz', upstream })
  const sound = Buffer.concat([
    settings([1, 100], [4, 1000]),
    frameOf(Type.ping, 0, 0, Buffer.alloc(8)),
    headers(1, [
      [':status', '103'],
      ['link', '</a>'],
    ]),
    headers(1, [OK, ['content-type', 'application/grpc'], ['content-length', '10']]),
    data(1, 'hello'),
    frameOf(Type.window, 0, 0, number32(1000)),
    data(1, 'hello'),
    headers(1, [['grpc-status', '0']], END_STREAM),
  ])
  const damaged = fc
    .array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((changes) => {
      const copy = Buffer.from(sound)
      for (const [at, value] of changes) copy[at] = value
      return copy
    })
  const random = fc
    .array(
      fc
        .tuple(fc.nat(10), fc.nat(255), fc.nat(3), fc.uint8Array({ maxLength: 40 }))
        .map(([type, flags, stream, payload]) => frameOf(type, flags, stream, Buffer.from(payload))),
      { maxLength: 20 },
    )
    .map((frames) => Buffer.concat(frames))
  await fc.assert(
    fc.asyncProperty(fc.oneof(damaged, random), async (sent) => {
      bytes = sent
      const response = await fetch(`${gateway.url}/fuzz`)
      await response.arrayBuffer().catch(() => {})
      return response.status >= 200
    }),
    { seed, numRuns: 150 },
  )
  t.true(server.connections.filter(({ frames }) => requested(frames)).length >= 150)
  const one = call(session, '/t.T/Echo', 'books')
  one.stream.end(frame('still here'))
  t.is((await one.done).trailers['grpc-status'], '0')
})
