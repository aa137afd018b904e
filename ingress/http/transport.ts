import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'

export interface Peer {
  readonly address: string
  readonly port: number
}

/** What a TLS handshake came to. */
export interface Handshake {
  /** TLSv1.2 or TLSv1.3. */
  readonly protocol: string
  /** By OpenSSL's name. */
  readonly cipher: string
  readonly resumed: boolean
  /** What the client has shown, good or not. */
  readonly certificate: X509Certificate | undefined
}

/** What a connection is to the engine; see net-transport.ts and raw/raw-transport.ts. */
export interface Transport {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly encrypted: boolean
  /** The name the client asked for in its TLS handshake, if it named one. */
  readonly servername?: string | undefined
  /** The client has shown a certificate of the authority that its server name asks for. */
  readonly verified?: boolean | undefined
  /** Looked up when it is asked for; undefined without TLS. */
  handshake?(): Handshake | undefined
  receiver: Receiver
  /** The client is somebody else than the peer: a proxy in front said so. */
  assumePeer(peer: Peer): void
  /** Queues bytes (strings are latin-1), copying what it cannot send at once; false asks the writer to wait for onDrain. */
  write(data: Buffer | string): boolean
  /** As write, without the copy: if it answers false, the caller leaves the bytes as they are until onDrain. */
  writeHeld(data: Buffer): boolean
  /** Bytes are free again when write returns, and when writeHeld answers true. */
  readonly keepsNothing?: boolean | undefined
  /** Between cork and uncork writes are gathered into one system call. */
  cork(): void
  uncork(): boolean
  pause(): void
  resume(): void
  /** Sends what is queued, then FIN. `silent`: the peer sends nothing more, so nobody waits for its FIN. */
  end(options?: { readonly silent: boolean }): void
  /** Closes at once, dropping what is queued. */
  destroy(): void
  /** The connection as a Node stream, from here on the caller's; `rest` was read already and comes first. */
  toStream?(rest: Buffer): Duplex
}

export interface Receiver {
  /** Bytes 0..length of the buffer arrived. They are there during the call only: whoever keeps some copies them. */
  onData(buffer: Buffer, length: number): void
  onDrain(): void
  /** The peer sent FIN. */
  onEnd(): void
  /** Called exactly once, after which nothing else is. */
  onClose(error: Error | undefined): void
}

/** The receiver of a transport nobody has taken yet. */
export const NOBODY: Receiver = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} }

/** `::ffff:10.1.2.3` is an IPv4 peer of a dual-stack socket: shown and compared as what it is. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return ''
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
