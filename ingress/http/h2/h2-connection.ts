import { performServerHandshake, type ServerHttp2Session } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { ConnectionContext } from '../server-handler.ts'
import { NOBODY, plainAddress, type Transport } from '../transport.ts'
import { H2Stream } from './h2-stream.ts'

const CONCURRENT_STREAMS = 128

/** What requests are told about the connection their stream is on; bytes never pass here. */
function describe(socket: TLSSocket): Transport {
  return {
    remoteAddress: plainAddress(socket.remoteAddress),
    remotePort: socket.remotePort ?? 0,
    localAddress: plainAddress(socket.localAddress),
    localPort: socket.localPort ?? 0,
    encrypted: true,
    servername: typeof socket.servername === 'string' ? socket.servername : undefined,
    receiver: NOBODY,
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

  constructor(socket: TLSSocket, context: ConnectionContext, onClose: (connection: H2Connection) => void) {
    const { settings } = context
    this.#session = performServerHandshake(socket, {
      settings: { maxConcurrentStreams: CONCURRENT_STREAMS, maxHeaderListSize: settings.maxHeaderSize },
    })
    const transport = describe(socket)
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
