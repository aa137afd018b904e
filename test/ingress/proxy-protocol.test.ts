import { execFile } from 'node:child_process'
import http2 from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import { promisify } from 'node:util'
import test from 'ava'
import fc from 'fast-check'
import { readProxyHeader, writeProxyHeader } from '../../ingress/http/proxy-protocol.ts'
import { httpBackend } from './support/backend.ts'
import { authority } from './support/certificates.ts'
import { testGateway } from './support/gateway.ts'
import { hasNginx, nginx } from './support/nginx.ts'
import { exchange, statusOf } from './support/raw-client.ts'

const run = promisify(execFile)
const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const V2_HEAD = '0d0a0d0a000d0a515549540a'

test('headers are read as they were written, in any two pieces, whatever follows', (t) => {
  const port = fc.nat(65535)
  const address = fc.oneof(
    fc.tuple(fc.ipV4(), fc.ipV4()),
    fc.tuple(fc.ipV6(), fc.ipV6()).map(([a, b]) => [a, b].map(canonical) as [string, string]),
  )
  fc.assert(
    fc.property(
      fc.constantFrom<1 | 2>(1, 2),
      address,
      port,
      port,
      fc.nat(),
      (version, [from, to], fromPort, toPort, cut) => {
        const peer = { source: { address: from, port: fromPort }, destination: { address: to, port: toPort } }
        const header = writeProxyHeader(version, peer)
        const read = readProxyHeader(Buffer.concat([header, Buffer.from('GET /')]))
        t.deepEqual(read, { end: header.length, peer })
        t.is(readProxyHeader(header.subarray(0, 1 + (cut % (header.length - 1)))), 'incomplete')
      },
    ),
    { numRuns: 300 },
  )
})

function canonical(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1)
}

test('what is no header is malformed; a proxy may speak for itself', (t) => {
  const malformed = [
    'GET / HTTP/1.1\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n',
    `PROXY TCP4 ${'1'.repeat(200)}`,
  ]
  for (const text of malformed) t.is(readProxyHeader(Buffer.from(text)), 'malformed', text)
  for (const hex of ['31110000', '22110000', '21110004ffffffff', '2111ffff'])
    t.is(readProxyHeader(Buffer.from(V2_HEAD + hex, 'hex')), 'malformed', hex)
  t.deepEqual(readProxyHeader(Buffer.from('PROXY UNKNOWN\r\nx')), { end: 15, peer: undefined })
  t.deepEqual(readProxyHeader(Buffer.from(`${V2_HEAD}20000000`, 'hex')), { end: 16, peer: undefined })
  // Extensions (TLVs) behind the addresses are read past.
  const extended = Buffer.from(`${V2_HEAD}21110010010203040506070800010002aabbccdd`, 'hex')
  t.is((readProxyHeader(extended) as { end: number }).end, extended.length)
})

for (const transport of ['net', 'raw'] as const) {
  test(`clients behind a PROXY protocol port are who the header says, with and without TLS, on ${transport}`, async (t) => {
    const { issue, ca, caFile } = authority(t)
    const backend = await httpBackend(t)
    const { gateway, put } = await testGateway(t, {
      config: {
        transport,
        listen: [{ host: '127.0.0.1', port: 0, proxyProtocol: true }],
        tlsListen: [{ host: '127.0.0.1', port: 0, http2: true, proxyProtocol: true }],
      },
    })
    const [plain, secure] = gateway.listen.map(({ port }) => port)
    const pair = issue('pp.example.org')
    await put('/ssls/1', { sni: 'pp.example.org', cert: pair.cert, key: pair.key })
    await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
    const peer = {
      source: { address: '203.0.113.7', port: 4711 },
      destination: { address: '192.0.2.1', port: 443 },
    }
    const last = () => backend.seen.at(-1)?.headers['x-real-ip']
    for (const version of [1, 2] as const) {
      const header = writeProxyHeader(version, peer)
      t.is(statusOf(await exchange(plain ?? 0, [header, GET])), 200)
      t.is(last(), '203.0.113.7')
      t.is(statusOf(await exchange(plain ?? 0, Buffer.concat([header, Buffer.from(GET)]))), 200)
      t.is(last(), '203.0.113.7')
      for (const together of [true, false]) {
        const socket = net.connect(secure ?? 0, '127.0.0.1')
        socket.write(together ? header : header.subarray(0, 9))
        if (!together) setTimeout(() => socket.write(header.subarray(9)), 30)
        await new Promise<void>((resolve) => setTimeout(resolve, together ? 0 : 60))
        const alpn = together ? 'h2' : 'http/1.1'
        const encrypted = tls.connect({ socket, ca, servername: 'pp.example.org', ALPNProtocols: [alpn] })
        await new Promise<void>((resolve, reject) =>
          encrypted.once('secureConnect', resolve).once('error', reject),
        )
        const before = backend.seen.length
        if (alpn === 'h2') {
          const session = http2.connect('https://pp.example.org', { createConnection: () => encrypted })
          const stream = session.request({ ':path': '/' })
          stream.resume()
          await new Promise<void>((resolve) => stream.on('end', () => resolve()))
          session.destroy()
        } else {
          encrypted.write(GET)
          await new Promise<void>((resolve) => encrypted.resume().once('end', () => resolve()))
          encrypted.destroy()
        }
        t.is(backend.seen.length, before + 1)
        t.is(last(), '203.0.113.7', `${alpn} version ${version}`)
      }
    }
    const before = backend.seen.length
    t.is(await exchange(plain ?? 0, GET), '')
    t.is(backend.seen.length, before)
    // curl writes its own header (version 1).
    const { stdout } = await run('curl', [
      ...['-sS', '--max-time', '20', '--haproxy-protocol', '--cacert', caFile],
      ...['--resolve', `pp.example.org:${secure}:127.0.0.1`, '-w', '%{http_code}', '-o', '/dev/null'],
      `https://pp.example.org:${secure}/`,
    ])
    t.is(stdout, '200')
    t.is(last(), '127.0.0.1')
  })
}

const withNginx = hasNginx ? test : test.skip
withNginx('nginx understands the headers the stream proxy sends to servers', async (t) => {
  const { port } = await nginx(
    t,
    'server { listen 127.0.0.1:PORT proxy_protocol; location / { return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port"; } }',
  )
  for (const proxyProtocolOut of [1, 2] as const) {
    const { gateway, put } = await testGateway(t, {
      config: { stream: { tcp: [{ host: '127.0.0.1', port: 0, tls: false }], udp: [], proxyProtocolOut } },
    })
    const front = gateway.streamListen.tcp[0]?.port ?? 0
    await put('/stream_routes/1', { upstream: { scheme: 'tcp', nodes: { [`127.0.0.1:${port}`]: 1 } } })
    const socket = net.connect(front, '127.0.0.1')
    socket.write(GET)
    let text = ''
    for await (const chunk of socket) text += chunk
    t.true(text.endsWith(`\r\n\r\n127.0.0.1 ${/127\.0\.0\.1 (\d+) /.exec(text)?.[1]} ${front}`), text)
  }
})
