import { execFile } from 'node:child_process'
import http2 from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { CLOSED_PORT, httpBackend } from './support/backend.ts'
import { authority } from './support/certificates.ts'
import { testGateway } from './support/gateway.ts'
import { call, frame, grpcServer } from './support/grpc.ts'

const run = promisify(execFile)

function connect(t: ExecutionContext, port: number, options: http2.SecureClientSessionOptions = {}) {
  const scheme = options.ca === undefined ? 'http' : 'https'
  const session = http2.connect(`${scheme}://127.0.0.1:${port}`, options)
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  return session
}

async function until(condition: () => boolean): Promise<void> {
  for (let n = 0; n < 1000 && !condition(); n++) await sleep(20)
}

for (const transport of ['net', 'raw'] as const) {
  test(`gRPC without TLS on ${transport}: unary, streaming both ways, trailers, a failure without a message`, async (t) => {
    const server = await grpcServer(t)
    const { port, put } = await testGateway(t, { config: { transport } })
    await put('/routes/1', {
      uri: '/t.T/*',
      upstream: { scheme: 'grpc', nodes: { [`127.0.0.1:${server.port}`]: 1 } },
    })
    const session = connect(t, port)
    const unary = call(session, '/t.T/Echo', 'books')
    unary.stream.end(frame('one'))
    const answer = await unary.done
    t.is(Number(answer.headers[':status']), 200)
    t.is(answer.headers['content-type'], 'application/grpc')
    t.is(answer.trailers['grpc-status'], '0')
    t.is(answer.trailers['x-last'], 'yes')
    t.deepEqual(unary.messages, ['one'])
    t.is(server.seen[0]?.te, 'trailers')
    t.is(server.seen[0]?.['grpc-timeout'], '30S')
    t.is(server.seen[0]?.[':authority'], 'books')

    // Each message is answered before the next is sent: nothing waits for the end of either direction.
    const stream = call(session, '/t.T/Echo', 'books')
    for (let n = 1; n <= 20; n++) {
      stream.stream.write(frame(`message ${n}`))
      await stream.received(n)
    }
    stream.stream.end()
    t.is((await stream.done).trailers['grpc-status'], '0')
    t.is(stream.messages.length, 20)

    const large = call(session, '/t.T/Echo', 'books')
    large.stream.end(frame('x'.repeat(1_000_000)))
    await large.done
    t.is(large.messages[0]?.length, 1_000_000)

    const failed = call(session, '/t.T/Fail', 'books')
    failed.stream.end(frame('which'))
    const failure = await failed.done
    t.is(failure.headers['grpc-status'], '5')
    t.is(failure.headers['grpc-message'], 'no such book')
    // gRPC takes a status in the head only if the head ends the stream.
    t.is(failure.flags & 1, 1)

    const calls = Array.from({ length: 120 }, () => call(session, '/t.T/Echo', 'books'))
    for (const one of calls) one.stream.end(frame('side by side'))
    for (const one of calls) t.is((await one.done).trailers['grpc-status'], '0')
    t.true(server.connections <= 3, `${server.connections} connections`)

    const cancelled = call(session, '/t.T/Echo', 'books')
    cancelled.stream.write(frame('first'))
    await cancelled.received(1)
    cancelled.stream.close(http2.constants.NGHTTP2_CANCEL)
    await until(() => server.cancelled > 0)
    t.is(server.cancelled, 1)
  })
}

test('a refused stream and a dead server cost a gRPC call nothing; without any server it is answered', async (t) => {
  const refusing = await grpcServer(t, { refuse: true })
  const good = await grpcServer(t)
  const { port, put } = await testGateway(t)
  const nodes = {
    [`127.0.0.1:${refusing.port}`]: 1,
    [`127.0.0.1:${CLOSED_PORT}`]: 1,
    [`127.0.0.1:${good.port}`]: 1,
  }
  await put('/routes/1', { uri: '/t.T/*', upstream: { scheme: 'grpc', nodes } })
  await put('/routes/2', {
    uri: '/d.D/*',
    upstream: { scheme: 'grpc', nodes: { [`127.0.0.1:${CLOSED_PORT}`]: 1 } },
  })
  const session = connect(t, port)
  for (let n = 0; n < 9; n++) {
    const one = call(session, '/t.T/Echo', 'books')
    one.stream.end(frame(`call ${n}`))
    t.is((await one.done).trailers['grpc-status'], '0')
    t.deepEqual(one.messages, [`call ${n}`])
  }
  const dead = call(session, '/d.D/Echo', 'books')
  dead.stream.end(frame('anybody'))
  t.is(Number((await dead.done).headers[':status']), 502)
})

test('grpcs to the server, TLS to the client; a plain HTTP/2 request takes the same way', async (t) => {
  const { issue, ca, caFile } = authority(t)
  const [outside, inside] = [issue('grpc.example.org'), issue('inside.example.org')]
  const server = await grpcServer(t, { tls: { cert: inside.cert, key: inside.key } })
  const { gateway, put } = await testGateway(t, {
    config: { tlsListen: [{ host: '127.0.0.1', port: 0, http2: true }] },
  })
  const port = gateway.listen[1]?.port ?? 0
  await put('/ssls/1', { sni: 'grpc.example.org', cert: outside.cert, key: outside.key })
  await put('/routes/1', {
    uri: '/t.T/*',
    upstream: { scheme: 'grpcs', nodes: { [`127.0.0.1:${server.port}`]: 1 } },
  })
  const session = connect(t, port, { ca, servername: 'grpc.example.org' })
  const one = call(session, '/t.T/Echo', 'grpc.example.org')
  one.stream.end(frame('in the dark'))
  t.is((await one.done).trailers['grpc-status'], '0')
  t.deepEqual(one.messages, ['in the dark'])
  const { stdout } = await run('curl', [
    '-sS',
    '--max-time',
    '20',
    '--http2',
    '--cacert',
    caFile,
    '--resolve',
    `grpc.example.org:${port}:127.0.0.1`,
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    `https://grpc.example.org:${port}/t.T/Fail`,
  ])
  t.is(stdout, '200')
})

test('curl with prior knowledge of HTTP/2 is served on a plain port, unless that is off', async (t) => {
  const backend = await httpBackend(t)
  for (const on of [true, false]) {
    const { url, put } = await testGateway(t, {
      text: `apisix: { node_listen: [{ ip: 127.0.0.1, port: 0, enable_http2: ${on} }], enable_admin: true }
deployment: { admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: a, key: edd1c9f034335f136f87ad84b625c8f1, role: admin }] } }`,
    })
    await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
    const asked = run('curl', [
      '-sS',
      '--max-time',
      '20',
      '--http2-prior-knowledge',
      `${url}/echo`,
      '-d',
      'hello',
    ])
    if (on) t.is((await asked).stdout, 'hello')
    else await t.throwsAsync(asked)
  }
})

test('opening and resetting streams without end is ended, and reaches the server a bounded number of times', async (t) => {
  let reached = 0
  const backend = await httpBackend(t, {
    handler: (request) => {
      reached++
      request.resume()
    },
  })
  const { port, put } = await testGateway(t)
  await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  const session = connect(t, port)
  let ended = false
  session.on('close', () => {
    ended = true
  })
  let sent = 0
  while (!ended && sent < 50_000) {
    for (let n = 0; n < 50 && !session.closed && !session.destroyed; n++) {
      sent++
      const stream = session.request({ ':path': '/slow', ':authority': 'a' }, { endStream: true })
      stream.on('error', () => {})
      stream.close(http2.constants.NGHTTP2_CANCEL)
    }
    await sleep(1)
  }
  t.true(ended)
  t.true(sent < 50_000, `${sent} streams`)
  t.true(reached < 2000, `${reached} requests`)
})
