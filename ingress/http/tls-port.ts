import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import tls from 'node:tls'
import { openPort } from './net-network.ts'
import { NetTransport } from './net-transport.ts'
import type { Port } from './network.ts'
import type { Transport } from './transport.ts'

/** Certificate and demands for one server name. */
export interface HandshakeCredentials {
  readonly context: tls.SecureContext
  readonly mutual: boolean
}

export interface TlsSettings {
  readonly http2: boolean
  /** The credentials for a name, '' when the client sent none; undefined ends the handshake. */
  credentials(servername: string): HandshakeCredentials | undefined
}

export interface TlsPortOptions {
  readonly host: string
  readonly port: number
  readonly reusePort: boolean
  readonly tls: TlsSettings
  /** Bytes sent may lie in buffers of raw transports. */
  readonly copy: boolean
  onConnection(transport: Transport): void
  onHttp2(socket: tls.TLSSocket): void
}

const HANDSHAKE_TIMEOUT_MS = 30_000

/** What of Node's TLS socket decides, per connection, whether the client has to show a certificate. */
interface VerifyingSocket {
  _requestCert?: boolean
  _rejectUnauthorized?: boolean
  readonly _handle?: { setVerifyMode?: (request: boolean, reject: boolean) => void } | null
}

/** Asks the client for a certificate in a handshake that has begun; false if this Node cannot. */
function demandCertificate(socket: unknown): boolean {
  const verifying = socket as VerifyingSocket
  const handle = verifying._handle
  if (typeof handle?.setVerifyMode !== 'function') return false
  verifying._requestCert = true
  verifying._rejectUnauthorized = true
  handle.setVerifyMode(true, true)
  return true
}

/** A TLS port: certificates by server name, HTTP/2 by ALPN where it is on. */
export function openTlsPort(options: TlsPortOptions): Promise<Port> {
  const { credentials, http2 } = options.tls
  // The socket is `this`: whether a certificate is asked for depends on the name, and `tls` has no other way to say so.
  function SNICallback(
    this: unknown,
    servername: string,
    done: (error: Error | null, context?: tls.SecureContext) => void,
  ): void {
    const found = credentials(servername)
    if (found === undefined) done(new Error(`no certificate for ${servername || 'a client without a name'}`))
    else if (found.mutual && !demandCertificate(this))
      done(new Error('client certificates are not available'))
    else done(null, found.context)
  }
  const server = tls.createServer({
    SNICallback,
    ALPNProtocols: http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    noDelay: true,
    allowHalfOpen: true,
    // A session resumed under another name would skip what that name demands.
    secureOptions: constants.SSL_OP_NO_TICKET,
  })
  // A failed handshake is the client's business; the socket is gone already.
  server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy())
  server.on('secureConnection', (socket: tls.TLSSocket) => {
    if (socket.alpnProtocol === 'h2') options.onHttp2(socket)
    else options.onConnection(new NetTransport(socket, { copy: options.copy }))
  })
  return openPort(server, options)
}
