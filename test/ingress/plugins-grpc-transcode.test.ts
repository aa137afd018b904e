import http2 from 'node:http2'
import type net from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { loadDefinitions } from '../../ingress/plugins/grpc-transcode/definitions.ts'
import { testGateway } from './support/gateway.ts'

const PROTO = `syntax = "proto3";
package shop;
enum Kind { PAPER = 0; AUDIO = 1; }
message Author { string first_name = 1; }
message Book {
  string title = 1;
  int64 stock = 2;
  repeated string tags = 3;
  Author author = 4;
  Kind kind = 5;
  map<string, int32> prices = 6;
  bool signed = 7;
  bytes cover = 8;
  oneof place { string shelf = 9; int32 row = 10; }
}
message Problem { string what = 1; }
service Books {
  rpc Echo (Book) returns (Book);
  rpc Twice (Book) returns (stream Book);
  rpc Fail (Book) returns (Book);
}
`

interface Seen {
  readonly headers: http2.IncomingHttpHeaders
  readonly body: Buffer
}

/** google.rpc.Status { code: 5, message: "gone", details: [Any { value: Problem { what: "x" } }] } in bytes. */
const DETAILS = Buffer.from([
  0x08, 0x05, 0x12, 0x04, 0x67, 0x6f, 0x6e, 0x65, 0x1a, 0x08, 0x0a, 0x01, 0x74, 0x12, 0x03, 0x0a, 0x01, 0x78,
])

/** Answers with what it got, twice on Twice, with NOT_FOUND on Fail. */
async function server(t: ExecutionContext): Promise<{ readonly port: number; readonly seen: Seen[] }> {
  const seen: Seen[] = []
  const sessions = new Set<http2.ServerHttp2Session>()
  const one = http2.createServer()
  one.on('session', (session) => sessions.add(session))
  one.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    const pieces: Buffer[] = []
    stream.on('error', () => {})
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.on('end', () => {
      const body = Buffer.concat(pieces)
      seen.push({ headers, body })
      const fields = { ':status': 200, 'content-type': 'application/grpc' }
      if (headers[':path']?.endsWith('/Fail')) {
        const failure = { 'grpc-status': '5', 'grpc-status-details-bin': DETAILS.toString('base64') }
        stream.respond({ ...fields, ...failure }, { endStream: true })
        return
      }
      stream.respond(fields, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      // In pieces that do not end where messages do.
      const answer = headers[':path']?.endsWith('/Twice') ? Buffer.concat([body, body]) : body
      stream.write(answer.subarray(0, 3))
      setImmediate(() => stream.end(answer.subarray(3)))
    })
  })
  await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    one.close()
  })
  return { port: (one.address() as net.AddressInfo).port, seen }
}

async function setUp(t: ExecutionContext) {
  const backend = await server(t)
  const made = await testGateway(t)
  await made.put('/protos/1', { content: PROTO })
  const route = (id: string, conf: object) =>
    made.put(`/routes/${id}`, {
      uri: `/${id}`,
      plugins: { 'grpc-transcode': { proto_id: 1, service: 'shop.Books', method: 'Echo', ...conf } },
      upstream: { scheme: 'grpc', nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
    })
  const post = (path: string, body: unknown) =>
    fetch(`${made.url}/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
  return { ...made, backend, route, post }
}

test('a query, a form and JSON become a gRPC message, the answer JSON', async (t) => {
  const { url, route, post, backend } = await setUp(t)
  await route('echo', { deadline: 20_000 })
  const plain = { stock: 0, kind: 'PAPER', signed: false, cover: '', prices: {} }
  const byQuery = await fetch(`${url}/echo?title=ab&tags=x&tags=y`)
  t.is(byQuery.status, 200)
  t.is(byQuery.headers.get('content-type'), 'application/json')
  t.deepEqual(await byQuery.json(), { title: 'ab', tags: ['x', 'y'], ...plain })
  const { headers, body } = backend.seen[0] as Seen
  t.is(headers[':path'], '/shop.Books/Echo')
  t.is(headers['content-type'], 'application/grpc')
  t.is(headers.te, 'trailers')
  t.is(headers['grpc-timeout'], '20000m')
  t.deepEqual([...body], [0, 0, 0, 0, 10, 0x0a, 2, 0x61, 0x62, 0x1a, 1, 0x78, 0x1a, 1, 0x79])
  const form = await fetch(`${url}/echo`, {
    method: 'POST',
    body: new URLSearchParams('title=z&signed=true&stock=7'),
  })
  t.deepEqual(await form.json(), { title: 'z', ...plain, tags: [], stock: 7, signed: true })
  const whole = {
    title: 'Dune ☼',
    stock: 12,
    tags: ['a'],
    author: { first_name: 'Frank' },
    kind: 'AUDIO',
    prices: { eur: 9, usd: 10 },
    signed: true,
    cover: 'raw bytes',
    row: 3,
  }
  t.deepEqual(await (await post('echo', whole)).json(), whole)
  t.is((await post('echo', { author: 'no object' })).status, 400)
  t.is((await post('echo', { kind: 'PAPYRUS' })).status, 400)
  t.is((await post('echo', { title: { no: 'text' } })).status, 400)
  t.is((await post('echo', [])).status, 400)
})

test('pb_option: enums, 64-bit numbers, defaults', async (t) => {
  const { route, post } = await setUp(t)
  const json = async (path: string, body: unknown) => (await post(path, body)).json()
  await route('string', { pb_option: ['int64_as_string', 'no_default_values', 'enum_as_value'] })
  t.deepEqual(await json('string', { stock: '2251799813685261', kind: 'AUDIO' }), {
    stock: '#2251799813685261',
    kind: 1,
  })
  t.deepEqual(await json('string', { stock: '#-9007199254740993' }), { stock: '#-9007199254740993' })
  t.deepEqual(await json('string', { stock: 3 }), { stock: 3 })
  await route('hex', { pb_option: ['int64_as_hexstring', 'no_default_values'] })
  t.deepEqual(await json('hex', { stock: '1099511627776' }), { stock: '#0x10000000000' })
})

test('failures get the HTTP status of theirs, and a body if asked for; streams one object per line', async (t) => {
  const { route, post, admin, put, url } = await setUp(t)
  await route('fail', { method: 'Fail' })
  const failed = await post('fail', {})
  t.is(failed.status, 404)
  t.is(await failed.text(), '')
  await route('told', { method: 'Fail', show_status_in_body: true, status_detail_type: 'shop.Problem' })
  const told = await post('told', {})
  t.is(told.status, 404)
  t.deepEqual(await told.json(), { error: { code: 5, message: 'gone', details: [{ what: 'x' }] } })
  await route('twice', { method: 'Twice', pb_option: ['no_default_values'] })
  t.is(await (await post('twice', { title: 'a' })).text(), '{"title":"a"}\n{"title":"a"}')
  await route('none', { method: 'None' })
  t.is((await fetch(`${url}/none`)).status, 503)
  await route('lost', { proto_id: 9 })
  t.is((await fetch(`${url}/lost`)).status, 503)
  await put('/protos/1', { content: PROTO.replace('string title = 1', 'string name = 1') })
  t.is(await (await post('twice', { name: 'a' })).text(), '{"name":"a"}\n{"name":"a"}')
  const bad = await admin('PUT', '/protos/2', { content: 'syntax = "proto3"; message {' })
  t.is(bad.status, 400)
  t.regex(String(bad.body.error_msg), /invalid content: illegal type name/)
  t.is((await admin('DELETE', '/protos/1')).status, 400)
})

test('definitions come as a FileDescriptorSet as well', (t) => {
  // One file: package p; message M { string first_name = 1; }
  const field = [0x0a, 10, ...Buffer.from('first_name'), 0x18, 1, 0x20, 1, 0x28, 9]
  const message = [0x0a, 1, 0x4d, 0x12, field.length, ...field]
  const file = [0x0a, 7, ...Buffer.from('p.proto'), 0x12, 1, 0x70, 0x22, message.length, ...message]
  const syntax = [0x62, 6, ...Buffer.from('proto3')]
  const set = Buffer.from([0x0a, file.length + syntax.length, ...file, ...syntax])
  const type = loadDefinitions(set.toString('base64')).lookupType('p.M')
  t.deepEqual(
    type.fieldsArray.map(({ name, type: kind }) => [name, kind]),
    [['first_name', 'string']],
  )
  t.throws(() => loadDefinitions('AAAA'))
})
