// HTTP/2 to servers: bodies through windows both ways, and what is around them.
import { randomBytes } from 'node:crypto'
import http2 from 'node:http2'
import net from 'node:net'
import test from 'ava'
import { waitUntil } from '../support/index.ts'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'
import { frameOf } from './support/h2-frames.ts'
import { answer, END_STREAM, number32, rawH2Server, settings, Type } from './support/h2-server.ts'
import { isRequest, nodeServer, route, served } from './support/h2-upstream.ts'
import { hasNginx, nginx } from './support/nginx.ts'

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
