import { constants } from 'node:crypto'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import { openPort } from './net-port.ts'
import { NetTransport, type NetTransportOptions } from './net-transport.ts'
import type { Port } from './network.ts'
import { ProxiedConnection } from './proxied-connection.ts'
import { HANDSHAKE_TIMEOUT_MS, type HandshakeCredentials, type TlsAcceptOptions } from './tls-settings.ts'
import { NOBODY, type Peer } from './transport.ts'

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

/** A TLS port on Node's public sockets: certificates by server name, HTTP/2 by ALPN where it is on. */
export function openTlsPort(options: TlsAcceptOptions, { copy }: NetTransportOptions): Promise<Port> {
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
  // A session resumed under another name would skip what that name demands. These options are not taken from a name's context.
  const secureOptions =
    constants.SSL_OP_NO_TICKET |
    constants.SSL_OP_NO_RENEGOTIATION |
    constants.SSL_OP_CIPHER_SERVER_PREFERENCE |
    constants.SSL_OP_PRIORITIZE_CHACHA
  const server = tls.createServer({
    SNICallback,
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    noDelay: true,
    allowHalfOpen: true,
    secureOptions,
  })
  // Node asks SNICallback only if the client names somebody: what the others get has to be there before.
  let unnamed: HandshakeCredentials | undefined
  server.prependListener('connection', () => {
    const found = credentials('')
    if (found === unnamed) return
    unnamed = found
    server.setSecureContext(found === undefined || found.mutual ? {} : { ...found.options, secureOptions })
  })
  // A failed handshake is the client's business; the socket is gone already.
  server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy())
  server.on('secureConnection', (socket: tls.TLSSocket) => {
    const peer = peers.get(peerKey(socket))
    const http2 = socket.alpnProtocol === 'h2'
    const transport = new NetTransport(socket, { copy: copy && !http2 })
    if (peer !== undefined) transport.assumePeer(peer)
    if (http2) options.onHttp2(transport)
    else options.onConnection(transport)
  })
  // Who is behind a connection that began with a PROXY protocol header, by its address here.
  const peers = new Map<string, Peer>()
  if (options.proxied === undefined) return openPort(server, options)
  const proxied = { ...options.proxied, deadlines: options.deadlines }
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
