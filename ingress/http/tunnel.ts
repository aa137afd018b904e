import type { Deadlines, Timed } from './deadlines.ts'
import type { Exchange } from './exchange.ts'
import type { Receiver, Transport } from './transport.ts'

export interface TunnelOptions {
  readonly client: Transport
  readonly upstream: Transport
  /** ms without a byte from either side. */
  readonly idleTimeout: number
  readonly exchange: Exchange
  readonly deadlines: Deadlines
  /** Told when the client's connection is gone. */
  readonly closed: () => void
}

/** After 101 Switching Protocols: bytes both ways, with back-pressure and half-close, until both sides are done. */
export class Tunnel implements Timed {
  deadline = Number.POSITIVE_INFINITY
  readonly #options: TunnelOptions
  /** What the client is heard by. */
  readonly fromClient: Receiver

  constructor(options: TunnelOptions) {
    this.#options = options
    const { client, upstream, exchange, deadlines } = options
    this.fromClient = client.receiver = {
      onData: (buffer, length) => {
        this.#touch()
        exchange.bytesReceived += length
        if (!upstream.write(buffer.subarray(0, length))) client.pause()
      },
      onDrain: () => upstream.resume(),
      onEnd: () => upstream.end(),
      onClose: () => {
        deadlines.remove(this)
        upstream.destroy()
        exchange.observer?.onFinish()
        options.closed()
      },
    }
    upstream.receiver = {
      onData: (buffer, length) => {
        this.#touch()
        exchange.writer.bytes += length
        if (!client.write(buffer.subarray(0, length))) upstream.pause()
      },
      onDrain: () => client.resume(),
      onEnd: () => client.end(),
      onClose: (error) => {
        if (error === undefined) client.end()
        else client.destroy()
      },
    }
    deadlines.add(this)
    this.#touch()
  }

  #touch(): void {
    this.deadline = this.#options.deadlines.now + this.#options.idleTimeout
  }

  onDeadline(): void {
    this.#options.client.destroy()
    this.#options.upstream.destroy()
  }
}
