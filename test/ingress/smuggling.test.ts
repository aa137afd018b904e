import test from 'ava'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'
import { exchange, statusOf } from './support/raw-client.ts'

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
const post = (fields: string, body: string) => `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`

const REFUSED: Readonly<Record<string, string>> = {
  'content-length and transfer-encoding': post(
    'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n',
    `0\r\n\r\n${SMUGGLED}`,
  ),
  'transfer-encoding and content-length': post(
    'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n',
    `0\r\n\r\n${SMUGGLED}`,
  ),
  'two content-lengths': post('Content-Length: 0\r\nContent-Length: 38\r\n', SMUGGLED),
  'two equal content-lengths': post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'),
  'a list of content-lengths': post('Content-Length: 5, 5\r\n', 'hello'),
  'a signed content-length': post('Content-Length: +5\r\n', 'hello'),
  'a negative content-length': post('Content-Length: -1\r\n', ''),
  'a hexadecimal content-length': post('Content-Length: 0x5\r\n', 'hello'),
  'an empty content-length': post('Content-Length:\r\n', ''),
  'a content-length beyond integers': post('Content-Length: 99999999999999999999\r\n', ''),
  'blank before the colon': post('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
  'tab before the colon': post('Content-Length\t: 5\r\n', 'hello'),
  'folded field': post('Transfer-Encoding:\r\n chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
  'folded first field': 'GET / HTTP/1.1\r\n Host: a\r\n\r\n',
  'chunked twice': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  'chunked, identity': post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'),
  'identity, chunked': post('Transfer-Encoding: identity, chunked\r\n', '0\r\n\r\n'),
  xchunked: post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'),
  'quoted chunked': post('Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n'),
  'vertical tab chunked': post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n'),
  'bare LF line ends': 'GET / HTTP/1.1\nHost: a\n\n',
  'bare LF in fields': 'GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n',
  'bare CR in a value': 'GET / HTTP/1.1\r\nHost: a\r\nX: y\rContent-Length: 5\r\n\r\n',
  'NUL in a value': 'GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n',
  'NUL in a name': 'GET / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n',
  'no name': 'GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n',
  'no colon': 'GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n',
  'no Host': 'GET / HTTP/1.1\r\n\r\n',
  'two Hosts': 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'Host with a path': 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n',
  'Host with user info': 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n',
  'two blanks in the request line': 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n',
  'tab in the request line': 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n',
  'HTTP/0.9': 'GET /\r\n\r\n',
  'a fragment in the target': 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n',
  'encoded NUL in the path': 'GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n',
  'a bad escape in the path': 'GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n',
  'leaving the root': 'GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n',
  'leaving the root, encoded': 'GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n',
}

const BAD_CHUNKS: Readonly<Record<string, string>> = {
  'no hexadecimal size': 'xyz\r\n',
  'empty size': '\r\nabc\r\n0\r\n\r\n',
  'blank after the size': '3 \r\nabc\r\n0\r\n\r\n',
  'size beyond integers': 'fffffffffffffffff\r\n',
  'signed size': '+3\r\nabc\r\n0\r\n\r\n',
  'bare LF after the size': '3\nabc\r\n0\r\n\r\n',
  'data longer than the size': '3\r\nabcd\r\n0\r\n\r\n',
  'bare LF after the data': '3\r\nabc\n0\r\n\r\n',
  'LF in an extension': '3;a=\nb\r\nabc\r\n0\r\n\r\n',
  'endless extension': `3;${'a'.repeat(5000)}\r\nabc\r\n0\r\n\r\n`,
  'bare LF in trailers': '0\r\nX: y\n\r\n',
}

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
