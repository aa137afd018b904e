import test from 'ava'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'
import { exchange, statusOf } from './support/raw-client.ts'
import { BAD_CHUNKS, post, REFUSED, SMUGGLED } from './support/smuggling-cases.ts'

test('requests that two servers could read differently are refused and the connection ends', async (t) => {
  const backend = await httpBackend(t)
  const { port, put } = await testGateway(t)
  await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  for (const [name, request] of Object.entries(REFUSED)) {
    const text = await exchange(port, request + SMUGGLED)
    t.is(statusOf(text), 400, `${name}: ${text.slice(0, 80)}`)
    t.is(text.split('HTTP/1.1 ').length - 1, 1, `${name}: exactly one answer`)
  }
  t.deepEqual(backend.seen, [], 'nothing reached the upstream')
})

test('other refusals have their own status', async (t) => {
  const { port } = await testGateway(t)
  const cases: readonly (readonly [number, string])[] = [
    [505, 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'],
    [501, post('Transfer-Encoding: gzip\r\n', '')],
    [431, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`],
    [431, `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(300)}\r\n`],
    [405, 'CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ]
  for (const [status, request] of cases)
    t.is(statusOf(await exchange(port, request)), status, request.slice(0, 40))
})

test('malformed chunks end the request, nothing behind them is taken for a request', async (t) => {
  const backend = await httpBackend(t)
  const { port, put } = await testGateway(t)
  await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  for (const [name, body] of Object.entries(BAD_CHUNKS)) {
    const text = await exchange(port, post('Transfer-Encoding: chunked\r\n', body) + SMUGGLED)
    t.is(statusOf(text), 400, `${name}: ${text.slice(0, 80)}`)
  }
  t.false(backend.seen.some(({ url }) => url === '/smuggled'))
})

test('a refused request with a body does not turn the body into the next request', async (t) => {
  const { port } = await testGateway(t)
  const text = await exchange(port, post(`Content-Length: ${SMUGGLED.length + 100_000}\r\n`, SMUGGLED))
  t.is(statusOf(text), 404)
  t.is(text.split('HTTP/1.1 ').length - 1, 1)
  const short = await exchange(
    port,
    `${post(`Content-Length: ${SMUGGLED.length}\r\n`, SMUGGLED)}GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
  )
  t.is(short.split('HTTP/1.1 404').length - 1, 2, 'the body is read past, the next request answered')
})

test('the upstream sees the path the route was chosen by', async (t) => {
  const backend = await httpBackend(t)
  const { port, put } = await testGateway(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/routes/1', { uri: '/*', upstream })
  await put('/routes/2', {
    uri: '/admin/*',
    plugins: { 'ip-restriction': { whitelist: ['10.9.9.9'] } },
    upstream,
  })
  for (const path of [
    '/admin/x',
    '/public/../admin/x',
    '/public/%2e%2e/admin/x',
    '//admin/x',
    '/./admin/x',
    '/%61dmin/x',
    '/public/..%2fadmin/x',
  ]) {
    const text = await exchange(port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    t.is(statusOf(text), 403, path)
  }
  await exchange(port, 'GET /a/b/../c%20d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await exchange(port, 'GET /a%2Fb//c?q=%2e%2e/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.deepEqual(
    backend.seen.map(({ url }) => url),
    ['/a/c%20d', '/a%2Fb//c?q=%2e%2e/'],
  )
})
