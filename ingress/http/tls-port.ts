import { constants } from 'node:crypto'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import type { Deadlines } from './deadlines.ts'
import { openPort } from './net-network.ts'
import { NetTransport } from './net-transport.ts'
import type { InheritedPort, Port } from './network.ts'
import { ProxiedConnection } from './proxied-connection.ts'
import { NOBODY, type Peer, type Transport } from './transport.ts'

/** Certificate and demands for one server name. */
export interface HandshakeCredentials {
  readonly context: tls.SecureContext
  /** What the context was made from. */
  readonly options: tls.SecureContextOptions
  /** Clients are asked for a certificate; */
  readonly mutual: boolean
  /** what it is good for is decided by each request where there are such paths, else by the handshake. */
  readonly exempt: readonly RegExp[]
}

export interface TlsSettings {
  /** Protocols offered (ALPN), best first; undefined: whatever the client speaks. */
  readonly alpn: readonly string[] | undefined
  /** The credentials for a name, '' when the client sent none; undefined ends the handshake. */
  credentials(servername: string): HandshakeCredentials | undefined
}

export interface TlsPortOptions {
  readonly host: string
  readonly port: number
  readonly reusePort: boolean
  readonly inherited?: InheritedPort | undefined
  readonly tls: TlsSettings
  /** Bytes sent may lie in buffers of raw transports. */
  readonly copy: boolean
  /** Connections begin with a PROXY protocol header, before the handshake. */
  readonly proxied?: { readonly deadlines: Deadlines; readonly timeout: number } | undefined
  onConnection(transport: Transport): void
  onHttp2(transport: Transport): void
}

const HANDSHAKE_TIMEOUT_MS = 30_000

/** What of Node's TLS socket decides, per connection, whether the client has to show a certificate. */
interface VerifyingSocket {
  _requestCert?: boolean
  _rejectUnauthorized?: boolean
  readonly _handle?: { setVerifyMode?: (request: boolean, reject: boolean) => void } | null
}

/** Asks the client for a certificate in a handshake that has begun; false if this Node cannot. */
function askForCertificate(socket: unknown, { demand }: { readonly demand: boolean }): boolean {
  const verifying = socket as VerifyingSocket
  const handle = verifying._handle
  if (typeof handle?.setVerifyMode !== 'function') return false
  verifying._requestCert = true
  verifying._rejectUnauthorized = demand
  handle.setVerifyMode(true, demand)
  return true
}

function peerKey(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}

/** A TLS port: certificates by server name, HTTP/2 by ALPN where it is on. */
export function openTlsPort(options: TlsPortOptions): Promise<Port> {
  const { credentials, alpn } = options.tls
  // The socket is `this`: whether a certificate is asked for depends on the name, and `tls` has no other way to say so.
  function SNICallback(
    this: unknown,
    servername: string,
    done: (error: Error | null, context?: tls.SecureContext) => void,
  ): void {
    const found = credentials(servername)
    if (found === undefined) done(new Error(`no certificate for ${servername || 'a client without a name'}`))
    else if (found.mutual && !askForCertificate(this, { demand: found.exempt.length === 0 }))
      done(new Error('client certificates are not available'))
    else done(null, found.context)
  }
  const server = tls.createServer({
    SNICallback,
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    noDelay: true,
    allowHalfOpen: true,
    // A session resumed under another name would skip what that name demands.
    secureOptions: constants.SSL_OP_NO_TICKET,
  })
  // Node asks SNICallback only if the client names somebody: what the others get has to be there before.
  let unnamed: HandshakeCredentials | undefined
  server.prependListener('connection', () => {
    const found = credentials('')
    if (found === unnamed) return
    unnamed = found
    server.setSecureContext(found === undefined || found.mutual ? {} : found.options)
  })
  // A failed handshake is the client's business; the socket is gone already.
  server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy())
  server.on('secureConnection', (socket: tls.TLSSocket) => {
    const peer = peers.get(peerKey(socket))
    const http2 = socket.alpnProtocol === 'h2'
    const transport = new NetTransport(socket, { copy: options.copy && !http2 })
    if (peer !== undefined) transport.assumePeer(peer)
    if (http2) options.onHttp2(transport)
    else options.onConnection(transport)
  })
  // Who is behind a connection that began with a PROXY protocol header, by its address here.
  const peers = new Map<string, Peer>()
  const { proxied } = options
  if (proxied === undefined) return openPort(server, options)
  const front = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const key = peerKey(socket)
    socket.once('close', () => peers.delete(key))
    new ProxiedConnection(new NetTransport(socket, { copy: false }), proxied, (transport, peer) => {
      if (peer !== undefined) peers.set(key, peer.source)
      const collected: Buffer[] = []
      transport.receiver = {
        ...NOBODY,
        onData: (buffer, length) => collected.push(Buffer.from(buffer.subarray(0, length))),
      }
      process.nextTick(() => {
        transport.toStream?.(Buffer.concat(collected))
        if (!socket.destroyed) server.emit('connection', socket)
      })
    })
  })
  return openPort(front, options)
}
