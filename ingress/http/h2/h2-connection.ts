import { performServerHandshake, type ServerHttp2Session, type ServerSessionOptions } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { ConnectionContext } from '../server-handler.ts'
import { NOBODY, type Peer, plainAddress, type Transport } from '../transport.ts'
import { H2Stream } from './h2-stream.ts'

const CONCURRENT_STREAMS = 128
// What a client may send ahead on one stream, and on the connection: with the defaults (64 KiB) uploads crawl.
const STREAM_WINDOW = 256 * 1024
const SESSION_WINDOW = 2 * 1024 * 1024
// A client that opens and resets streams costs us more than itself (CVE-2023-44487): beyond these the connection ends.
const RESET_BURST = 500
const RESETS_PER_SECOND = 33

interface ResetLimits {
  readonly streamResetBurst: number
  readonly streamResetRate: number
}

/** What requests are told about the connection their stream is on; bytes never pass here. */
export function describeSocket(socket: TLSSocket, peer: Peer | undefined): Transport {
  return {
    remoteAddress: plainAddress(peer?.address ?? socket.remoteAddress),
    remotePort: peer?.port ?? socket.remotePort ?? 0,
    localAddress: plainAddress(socket.localAddress),
    localPort: socket.localPort ?? 0,
    encrypted: true,
    servername: typeof socket.servername === 'string' ? socket.servername : undefined,
    verified: socket.authorized,
    receiver: NOBODY,
    assumePeer() {},
    write: () => true,
    writeHeld: () => true,
    cork() {},
    uncork: () => true,
    pause() {},
    resume() {},
    end() {},
    destroy: () => socket.destroy(),
  }
}

/** An HTTP/2 connection of a client. Node's nghttp2 frames it and defends it (rapid reset, CONTINUATION and SETTINGS floods). */
export class H2Connection {
  readonly #session: ServerHttp2Session

  constructor(
    stream: Duplex,
    transport: Transport,
    context: ConnectionContext,
    onClose: (connection: H2Connection) => void,
  ) {
    const { settings } = context
    const options: ServerSessionOptions & ResetLimits = {
      settings: {
        maxConcurrentStreams: CONCURRENT_STREAMS,
        maxHeaderListSize: settings.maxHeaderSize,
        initialWindowSize: STREAM_WINDOW,
      },
      streamResetBurst: RESET_BURST,
      streamResetRate: RESETS_PER_SECOND,
    }
    this.#session = performServerHandshake(stream, options)
    this.#session.setLocalWindowSize(SESSION_WINDOW)
    this.#session.setTimeout(settings.keepaliveTimeout, () => this.drain())
    this.#session.on('stream', (stream, headers) => {
      new H2Stream(stream, transport, context).begin(headers, { endStream: stream.endAfterHeaders })
    })
    this.#session.on('error', () => this.destroy())
    this.#session.on('close', () => onClose(this))
  }

  /** Finishes what runs, takes nothing new (GOAWAY). */
  drain(): void {
    if (!this.#session.closed) this.#session.close()
  }
  destroy(): void {
    this.#session.destroy()
  }
}
