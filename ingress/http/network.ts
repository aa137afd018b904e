import type { SecureContext } from 'node:tls'
import type { TlsAcceptOptions } from './tls-settings.ts'
import type { Transport } from './transport.ts'

/** TLS towards an upstream server. */
export interface UpstreamTls {
  readonly servername: string
  readonly verify: boolean
  readonly context?: SecureContext | undefined
  /** Protocols offered (ALPN); by default HTTP/1.1. */
  readonly alpn?: readonly string[] | undefined
}

export interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly tls?: UpstreamTls | undefined
  onConnect(transport: Transport): void
  onError(error: Error): void
}

export interface AcceptOptions {
  readonly host: string
  readonly port: number
  /** Several processes may listen on the port; the kernel spreads connections (SO_REUSEPORT). */
  readonly reusePort: boolean
  /** Go on with that port instead of opening one. */
  readonly inherited?: InheritedPort | undefined
  onConnection(transport: Transport): void
}

/** A port that was given up while it is open: a net.Server, or what is in one. */
export interface InheritedPort {
  readonly _handle: object
}

/** A port that is listened on. */
export interface Port {
  readonly address: { readonly host: string; readonly port: number }
  /** Gives the port up without closing it, as closing would reset what the kernel has queued. It must be inherited at once. */
  release(): InheritedPort
  /** Stops accepting; connections stay. */
  close(): Promise<void>
}

/** How connections are made and taken: over Node's public sockets or over the handles below them. */
export interface Network {
  readonly name: 'net' | 'raw'
  /** Resolves once the port is open; rejects with the system's error (EADDRINUSE ...). */
  accept(options: AcceptOptions): Promise<Port>
  /** As accept, with TLS on every connection. */
  acceptTls(options: TlsAcceptOptions): Promise<Port>
  /** Opens a connection; exactly one of the callbacks is called, unless the returned function cancels it before. */
  connect(options: ConnectOptions): () => void
}
