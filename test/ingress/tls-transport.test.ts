// TLS of clients on both transports: what goes over the wire, and clients that behave badly.
import { execFile } from 'node:child_process'
import net from 'node:net'
import tls from 'node:tls'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { type Deadlines, NET_NETWORK, type Network, type Timed } from '../../ingress/http/index.ts'
import { loadBinding } from '../../ingress/http/raw/binding.ts'
import { RawNetwork } from '../../ingress/http/raw/raw-network.ts'
import { selfTestTls } from '../../ingress/http/raw/self-test.ts'
import { loadTlsBinding } from '../../ingress/http/raw/tls-binding.ts'
import { httpBackend, rawBackend } from './support/backend.ts'
import { authority } from './support/certificates.ts'
import { testGateway } from './support/gateway.ts'

const run = promisify(execFile)
const NAME = 'shop.example.org'
const APPLICATION = 23
const ALERT = 21

function rawNetwork({ tls: secure } = { tls: true }): RawNetwork {
  const binding = loadBinding()
  if (binding === undefined) throw new Error('no binding')
  return new RawNetwork(binding, secure ? loadTlsBinding() : undefined)
}

let made: { readonly ca: string; readonly cert: string; readonly key: string } | undefined

/** One certificate for all: making one blocks the process, in which everybody's gateway runs, too. */
function certificate(t: ExecutionContext) {
  if (made === undefined) {
    const { issue, ca } = authority(t)
    const { cert, key } = issue(NAME)
    made = { ca, cert, key }
  }
  return made
}

async function secureGateway(t: ExecutionContext, transport: 'net' | 'raw', backend: number) {
  const { ca, cert, key } = certificate(t)
  const { gateway, put } = await testGateway(t, {
    config: { transport, tlsListen: [{ host: '127.0.0.1', port: 0, http2: true }] },
  })
  await put('/ssls/1', { sni: NAME, cert, key })
  await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend}`]: 1 } } })
  return { port: gateway.listen[1]?.port ?? 0, ca }
}

/** A relay on the way to a port: `forward` passes the client's bytes on in its own fashion, `seen` what comes back. */
async function relay(
  t: ExecutionContext,
  port: number,
  forward: (bytes: Buffer, to: net.Socket) => void,
  seen: (bytes: Buffer) => void = () => {},
): Promise<number> {
  return await rawBackend(t, (client) => {
    const server = net.connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    t.teardown(() => server.destroy())
    server.on('error', () => client.destroy())
    client.on('data', (bytes: Buffer) => forward(bytes, server))
    client.on('end', () => server.end())
    server.on('data', (bytes: Buffer) => {
      seen(bytes)
      client.write(bytes)
    })
    server.on('end', () => client.end())
    server.on('close', () => client.destroy())
    client.on('close', () => server.destroy())
  })
}

/** Everything a server sends on a TLS connection after `data` was written to it. */
function over(options: tls.ConnectionOptions, data: string | Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    const socket = tls.connect({ host: '127.0.0.1', servername: NAME, ...options }, () => socket.write(data))
    socket.on('data', (bytes: Buffer) => pieces.push(bytes))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(pieces)))
  })
}

const request = (path: string, fields = 'Connection: close\r\n') =>
  `GET ${path} HTTP/1.1\r\nHost: ${NAME}\r\n${fields}\r\n`

test.serial(
  'this Node has TLS on raw handles, and it passes its self-test, which public sockets pass too',
  async (t) => {
    t.not(loadTlsBinding(), undefined)
    t.is(await selfTestTls(rawNetwork()), undefined)
    t.is(await selfTestTls(NET_NETWORK), undefined)
  },
)

test.serial('the self-test tells a network that mistakes the client, and one that loses bytes', async (t) => {
  const mistaken: Network = {
    ...NET_NETWORK,
    acceptTls: (options) =>
      NET_NETWORK.acceptTls({
        ...options,
        onConnection: (one) => options.onConnection(Object.defineProperty(one, 'servername', { value: 'x' })),
      }),
  }
  t.regex((await selfTestTls(mistaken)) ?? '', /something else/)
  const lossy: Network = {
    ...NET_NETWORK,
    acceptTls: (options) =>
      NET_NETWORK.acceptTls({
        ...options,
        onConnection: (one) =>
          options.onConnection(Object.assign(one, { write: () => true, writeHeld: () => true })),
      }),
  }
  t.regex((await selfTestTls(lossy)) ?? '', /unexpected bytes|in time/)
})

test('a handshake that does not come, or stops, is ended by its deadline', async (t) => {
  const timed = new Set<Timed>()
  const deadlines = {
    now: 0,
    add: (one: Timed) => timed.add(one),
    remove: (one: Timed) => timed.delete(one),
  } as unknown as Deadlines
  const port = await rawNetwork().acceptTls({
    ...{ host: '127.0.0.1', port: 0, reusePort: false, deadlines },
    tls: { alpn: undefined, credentials: () => undefined },
    onConnection: () => t.fail('a connection'),
    onHttp2: () => t.fail('a connection'),
  })
  t.teardown(() => port.close())
  const silent = net.connect(port.address.port, '127.0.0.1')
  const stopped = net.connect(port.address.port, '127.0.0.1', () => stopped.write(Buffer.from([22, 3, 1])))
  const closed = [silent, stopped].map(
    (socket) => new Promise((resolve) => socket.on('error', () => {}).once('close', resolve)),
  )
  while (timed.size < 2) await new Promise((resolve) => setTimeout(resolve, 10))
  for (const one of timed) one.onDeadline()
  await Promise.all(closed)
  while (timed.size > 0) await new Promise((resolve) => setTimeout(resolve, 10))
  t.pass()
})

for (const transport of ['net', 'raw'] as const) {
  test(`TLS on ${transport}: large bodies both ways at once, and to a client that reads slowly`, async (t) => {
    const large = Buffer.alloc(6_000_000, 'abcdefgh')
    const backend = await httpBackend(t, {
      handler: (request, response) => {
        if (request.url === '/large') response.end(large)
        else request.pipe(response)
      },
    })
    const { port, ca } = await secureGateway(t, transport, backend.port)
    const bodies = Array.from({ length: 4 }, (_, index) => Buffer.alloc(1_500_000 + index, String(index)))
    const echoes = await Promise.all(
      bodies.map((body) => {
        const head = `POST /echo HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`
        return over({ port, ca }, Buffer.concat([Buffer.from(head), body]))
      }),
    )
    for (const [index, body] of bodies.entries())
      t.true(unchunked(echoes[index] ?? Buffer.alloc(0)).equals(body))
    const slow = tls.connect({ port, ca, host: '127.0.0.1', servername: NAME })
    slow.write(request('/large'))
    let size = 0
    for await (const piece of slow as AsyncIterable<Buffer>) {
      size += piece.length
      if (size < 500_000) await new Promise((resolve) => setTimeout(resolve, 2))
    }
    t.true(size > large.length)
  })

  test(`TLS on ${transport}: a first message in single bytes, requests in one piece with it, half-closed clients`, async (t) => {
    const backend = await httpBackend(t)
    const { port, ca } = await secureGateway(t, transport, backend.port)
    const bytewise = await relay(t, port, (bytes, to) => {
      for (const byte of bytes) to.write(Buffer.from([byte]))
    })
    t.regex((await over({ port: bytewise, ca }, request('/a'))).toString(), /^HTTP\/1\.1 200/)
    const pipelined = request('/b', '') + request('/c', '') + request('/d')
    const answers = (await over({ port, ca }, pipelined)).toString()
    t.is(answers.split('HTTP/1.1 200').length, 4)
    const halfOpen = { port, ca, host: '127.0.0.1', servername: NAME, allowHalfOpen: true }
    const halfClosed = tls.connect(halfOpen as tls.ConnectionOptions)
    halfClosed.end(request('/e', ''))
    let text = ''
    for await (const piece of halfClosed as AsyncIterable<Buffer>) text += piece.toString()
    t.regex(text, /^HTTP\/1\.1 200/)
  })

  test(`TLS on ${transport}: an answer is one record, and its end is told`, async (t) => {
    const backend = await httpBackend(t)
    const { port, ca } = await secureGateway(t, transport, backend.port)
    const records: number[] = []
    let held = Buffer.alloc(0)
    const watched = await relay(
      t,
      port,
      (bytes, to) => to.write(bytes),
      (bytes) => {
        held = Buffer.concat([held, bytes])
        while (held.length >= 5 && held.length >= 5 + held.readUInt16BE(3)) {
          records.push(held[0] ?? 0)
          held = held.subarray(5 + held.readUInt16BE(3))
        }
      },
    )
    // TLS 1.2 shows what is what.
    await over({ port: watched, ca, maxVersion: 'TLSv1.2' }, request('/'))
    t.is(records.filter((type) => type === APPLICATION).length, 1)
    t.is(records.at(-1), ALERT)
    // A body that ends with the connection is complete only if TLS says so, which curl looks at.
    const stream = await rawBackend(t, (socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end')),
    )
    const other = await secureGateway(t, transport, stream)
    const { stdout } = await run('curl', [
      ...['-sS', '--http1.0', '--max-time', '20', '-k', '--resolve', `${NAME}:${other.port}:127.0.0.1`],
      `https://${NAME}:${other.port}/`,
    ])
    t.is(stdout, 'until the end')
  })

  test(`TLS on ${transport}: renegotiation is refused`, async (t) => {
    const backend = await httpBackend(t)
    const { port, ca } = await secureGateway(t, transport, backend.port)
    const socket = tls.connect({
      ...{ port, ca, host: '127.0.0.1', servername: NAME, maxVersion: 'TLSv1.2' },
    })
    await new Promise<void>((resolve) => socket.once('secureConnect', resolve))
    const error = await new Promise<Error | null>((resolve) => {
      socket.on('error', resolve)
      socket.renegotiate({}, (fault) => resolve(fault))
    })
    t.regex(String(error), /renegotiation/i)
    socket.destroy()
  })

  test(`TLS on ${transport}: clients that break off anywhere, or speak something else, harm nobody`, async (t) => {
    const backend = await httpBackend(t, {
      handler: (_request, response) => response.end(Buffer.alloc(100_000, 'x')),
    })
    const { port, ca } = await secureGateway(t, transport, backend.port)
    for (const text of [
      'GET / HTTP/1.1\r\n\r\n',
      '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00',
      'x'.repeat(9000),
    ])
      t.notRegex((await plain(port, text)).toString('latin1'), /200 OK/)
    const cuts = Array.from({ length: 40 }, (_, index) => Math.floor((index * 1500) / 40))
    await Promise.all(
      cuts.map(async (cut, index) => {
        let left = cut
        // Node's sockets leave a client that has only stopped sending to the handshake's timeout.
        const ways = transport === 'raw' ? 3 : 2
        const cutting = await relay(t, port, (bytes, to) => {
          if (bytes.length <= left) to.write(bytes)
          else if (index % ways === 0) to.resetAndDestroy()
          else if (index % ways === 1) to.write(bytes.subarray(0, left), () => to.destroy())
          else to.end(bytes.subarray(0, left))
          left = Math.max(0, left - bytes.length)
        })
        // Whether this one gets an answer depends on where it was cut.
        await over({ port: cutting, ca }, request('/')).catch(() => undefined)
      }),
    )
    const answer = await over({ port, ca }, request('/'))
    t.true(answer.length > 100_000)
  })
}

test('a name without a certificate is refused with the alert that says so', async (t) => {
  const backend = await httpBackend(t)
  const { port, ca } = await secureGateway(t, 'raw', backend.port)
  const refused = over({ port, ca, servername: 'other.example.org' }, request('/'))
  await t.throwsAsync(refused, { message: /unrecognized name/i })
})

function plain(port: number, text: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    const socket = net.connect(port, '127.0.0.1', () => socket.end(text, 'latin1'))
    socket.on('data', (bytes: Buffer) => pieces.push(bytes))
    socket.on('error', () => {})
    socket.on('close', () => resolve(Buffer.concat(pieces)))
  })
}

/** The content of an answer in chunks (RFC 9112 §7.1). */
function unchunked(answer: Buffer): Buffer {
  const pieces: Buffer[] = []
  let pos = answer.indexOf('\r\n\r\n') + 4
  for (;;) {
    const end = answer.indexOf('\r\n', pos)
    const length = Number.parseInt(answer.toString('latin1', pos, end), 16)
    if (!(length > 0)) return Buffer.concat(pieces)
    pieces.push(answer.subarray(end + 2, end + 2 + length))
    pos = end + 2 + length + 2
  }
}
