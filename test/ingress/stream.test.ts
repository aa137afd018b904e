import { createHash, randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import net, { type AddressInfo } from 'node:net'
import tls from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { serverNameOf } from '../../ingress/http/client-hello.ts'
import { CLOSED_PORT, rawBackend } from './support/backend.ts'
import { authority, type Pair } from './support/certificates.ts'
import { type TestGateway, testGateway } from './support/gateway.ts'

async function streamGateway(
  t: ExecutionContext,
  options: { readonly tls?: boolean; readonly transport?: 'net' | 'raw' } = {},
): Promise<TestGateway & { readonly tcp: number; readonly udp: number }> {
  const { tls: ended = false, transport = 'auto' } = options
  const gateway = await testGateway(t, {
    config: {
      transport,
      stream: {
        tcp: [{ host: '127.0.0.1', port: 0, tls: ended }],
        udp: [{ host: '127.0.0.1', port: 0 }],
        proxyProtocolOut: undefined,
      },
    },
  })
  const { tcp, udp } = gateway.gateway.streamListen
  return { ...gateway, tcp: tcp[0]?.port ?? 0, udp: udp[0]?.port ?? 0 }
}

/** Sends, ends its half, and takes everything that comes back. */
async function talk(port: number, data: Buffer | string): Promise<Buffer> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.end(data)
  const pieces: Buffer[] = []
  socket.on('error', () => {})
  for await (const chunk of socket) pieces.push(chunk as Buffer)
  return Buffer.concat(pieces)
}

function upstream(...ports: number[]) {
  return { scheme: 'tcp', nodes: Object.fromEntries(ports.map((port) => [`127.0.0.1:${port}`, 1])) }
}

for (const transport of ['net', 'raw'] as const) {
  test(`TCP on ${transport}: large both ways, half-closed, next server after a dead one, ip-restriction`, async (t) => {
    // Answers only after the client has sent everything: the client's FIN has to reach it while its own half is open.
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      const pieces: Buffer[] = []
      socket.on('data', (chunk: Buffer) => pieces.push(chunk))
      socket.on('end', () => socket.end(Buffer.concat([Buffer.from('got '), ...pieces])))
      socket.on('error', () => {})
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const { tcp, put, admin, metrics } = await streamGateway(t, { transport })
    t.is((await talk(tcp, 'nobody')).length, 0)
    await put('/stream_routes/1', {
      server_port: tcp,
      upstream: upstream(CLOSED_PORT, (server.address() as AddressInfo).port),
    })
    const data = randomBytes(8_000_000)
    const answer = await talk(tcp, data)
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
    t.is(answer.length, data.length + 4)
    t.is(digest(answer.subarray(4)), digest(data))
    for (let n = 0; n < 4; n++) t.is((await talk(tcp, `${n}`)).toString(), `got ${n}`)
    t.regex(await metrics.metrics(), /apisix_stream_connection_total\{route="1"\} 5/)
    await put('/stream_routes/2', {
      server_port: tcp,
      remote_addr: '127.0.0.0/8',
      plugins: { 'ip-restriction': { blacklist: ['127.0.0.1'] } },
      upstream: upstream((server.address() as AddressInfo).port),
    })
    t.is((await talk(tcp, 'more of the connection named')).length, 0)
    await admin('DELETE', '/stream_routes/2')
    t.is((await talk(tcp, 'again')).toString(), 'got again')
  })
}

async function tlsServer(t: ExecutionContext, { cert, key }: Pair, word: string): Promise<number> {
  const server = tls.createServer({ cert, key }, (socket) => {
    socket.on('error', () => {})
    socket.end(word)
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

function ask(port: number, ca: string, servername: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = tls.connect({ port, host: '127.0.0.1', ca, servername })
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(`error ${error.code}`))
    socket.on('end', () => resolve(text))
  })
}

test('TLS passes through by the name asked for; the handshake is the server’s', async (t) => {
  const { issue, ca } = authority(t)
  const [one, two] = [
    await tlsServer(t, issue('one.example.org'), 'first'),
    await tlsServer(t, issue('b.two.example.org'), 'second'),
  ]
  const { tcp, put } = await streamGateway(t)
  await put('/stream_routes/1', { sni: 'one.example.org', upstream: upstream(one) })
  await put('/stream_routes/2', { sni: '*.two.example.org', upstream: upstream(two) })
  t.is(await ask(tcp, ca, 'one.example.org'), 'first')
  t.is(await ask(tcp, ca, 'b.two.example.org'), 'second')
  t.regex(await ask(tcp, ca, 'three.example.org'), /^(error .*)?$/)
  const plain = await rawBackend(t, (socket) => socket.on('data', (chunk) => socket.end(`plain ${chunk}`)))
  await put('/stream_routes/3', { server_port: tcp, upstream: upstream(plain) })
  t.is((await talk(tcp, 'no handshake')).toString(), 'plain no handshake')
  t.is(await ask(tcp, ca, 'one.example.org'), 'first')
})

test('TLS ended here: certificate and route by name, plain or TLS towards the server', async (t) => {
  const { issue, ca } = authority(t)
  const inside = issue('inside.example.org')
  const plain = await rawBackend(t, (socket) => socket.end('plain'))
  const secret = await tlsServer(t, inside, 'secret')
  const { tcp, put } = await streamGateway(t, { tls: true })
  const pair = issue('*.example.org')
  await put('/ssls/1', { sni: '*.example.org', cert: pair.cert, key: pair.key })
  await put('/stream_routes/1', { sni: 'a.example.org', upstream: upstream(plain) })
  await put('/stream_routes/2', { sni: 'b.example.org', upstream: { ...upstream(secret), scheme: 'tls' } })
  t.is(await ask(tcp, ca, 'a.example.org'), 'plain')
  t.is(await ask(tcp, ca, 'b.example.org'), 'secret')
})

test('UDP: each client keeps its server and gets its own answers', async (t) => {
  const servers = await Promise.all(
    ['red', 'blue'].map(async (name) => {
      const socket = dgram.createSocket('udp4')
      socket.on('message', (message, from) => socket.send(`${name} ${message}`, from.port, from.address))
      await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
      t.teardown(() => socket.close())
      return socket.address().port
    }),
  )
  const { udp, put } = await streamGateway(t)
  const nodes = Object.fromEntries(servers.map((port) => [`127.0.0.1:${port}`, 1]))
  await put('/stream_routes/1', { server_port: udp, upstream: { scheme: 'udp', nodes } })
  const colours = await Promise.all(
    Array.from({ length: 10 }, async (_, client) => {
      const socket = dgram.createSocket('udp4')
      t.teardown(() => socket.close())
      const answers: string[] = []
      const seen = new Set<string>()
      for (let n = 0; n < 5; n++) {
        const answer = new Promise<string>((resolve) =>
          socket.once('message', (text) => resolve(String(text))),
        )
        socket.send(`${client}/${n}`, udp, '127.0.0.1')
        answers.push(await answer)
        const [colour = '', echoed] = answers[n]?.split(' ') ?? []
        t.is(echoed, `${client}/${n}`)
        seen.add(colour)
      }
      t.is(seen.size, 1)
      return [...seen][0]
    }),
  )
  t.deepEqual([...colours].sort(), [...Array(5).fill('blue'), ...Array(5).fill('red')])
})

test('a ClientHello in pieces is incomplete, other bytes are no handshake', async (t) => {
  const hello = await new Promise<Buffer>((resolve) => {
    const server = net.createServer((socket) =>
      socket.once('data', (chunk: Buffer) => {
        resolve(chunk)
        socket.destroy()
        server.close()
      }),
    )
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      tls.connect({ port, host: '127.0.0.1', servername: 'Name.Example.org' }).on('error', () => {})
    })
  })
  t.deepEqual(serverNameOf(hello), { name: 'name.example.org' })
  for (let length = 0; length < hello.length; length++)
    t.is(serverNameOf(hello.subarray(0, length)), 'incomplete')
  // The same handshake in records of seven bytes each (RFC 8446 §5.1 allows that).
  const records: Buffer[] = []
  for (let at = 5; at < hello.length; at += 7) {
    const piece = hello.subarray(at, at + 7)
    records.push(Buffer.from([22, 3, 1, 0, piece.length]), piece)
  }
  t.deepEqual(serverNameOf(Buffer.concat(records)), { name: 'name.example.org' })
  for (const text of ['GET / HTTP/1.1', 'SSH-2.0-x', '\x16\x02'])
    t.is(serverNameOf(Buffer.from(text)), undefined, text)
  for (let n = 0; n < 2000; n++) {
    const broken = Buffer.from(hello)
    for (const at of randomBytes(4)) broken[(at * 7) % broken.length] = at
    t.notThrows(() => serverNameOf(broken))
  }
})
