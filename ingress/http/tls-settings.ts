import type { SecureContext, SecureContextOptions } from 'node:tls'
import type { Deadlines } from './deadlines.ts'
import type { AcceptOptions } from './network.ts'
import type { Transport } from './transport.ts'

/** Certificate and demands for one server name. */
export interface HandshakeCredentials {
  readonly context: SecureContext
  /** What the context was made from. */
  readonly options: SecureContextOptions
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

export interface TlsAcceptOptions extends AcceptOptions {
  readonly tls: TlsSettings
  readonly deadlines: Deadlines
  /** Connections begin with a PROXY protocol header, before the handshake, for which they have `timeout` ms. */
  readonly proxied?: { readonly timeout: number } | undefined
  /** Connections whose handshake chose HTTP/2; the others go to onConnection. */
  onHttp2(transport: Transport): void
}

export const HANDSHAKE_TIMEOUT_MS = 30_000
