import type { Deadlines, Timed } from './deadlines.ts'
import type { Exchange } from './exchange.ts'
import type { Receiver, Transport } from './transport.ts'

/** After 101 Switching Protocols: bytes both ways, with back-pressure and half-close, until both sides are done. */
export class Tunnel implements Receiver {
  readonly #client: Transport
  readonly #upstream: Transport
  readonly #idleTimeout: number
  readonly #timed: Timed
  readonly #exchange: Exchange
  readonly #clock: Deadlines
  #over = false

  constructor(options: {
    readonly client: Transport
    readonly upstream: Transport
    readonly idleTimeout: number
    readonly timed: Timed
    readonly exchange: Exchange
    readonly clock: Deadlines
  }) {
    this.#clock = options.clock
    this.#client = options.client
    this.#upstream = options.upstream
    this.#idleTimeout = options.idleTimeout
    this.#timed = options.timed
    this.#exchange = options.exchange
    options.upstream.receiver = this
    this.#touch()
  }

  #touch(): void {
    this.#timed.deadline = this.#clock.now + this.#idleTimeout
  }

  fromClient(chunk: Buffer): void {
    this.#touch()
    this.#exchange.bytesReceived += chunk.length
    if (!this.#upstream.write(chunk)) this.#client.pause()
  }
  clientDrained(): void {
    this.#upstream.resume()
  }
  clientEnded(): void {
    this.#upstream.end()
  }
  clientClosed(): void {
    this.#upstream.destroy()
    this.#finish()
  }
  timedOut(): void {
    this.#client.destroy()
    this.#upstream.destroy()
  }

  onData(buffer: Buffer, length: number): void {
    this.#touch()
    this.#exchange.writer.bytes += length
    if (!this.#client.write(buffer.subarray(0, length))) this.#upstream.pause()
  }
  onDrain(): void {
    this.#client.resume()
  }
  onEnd(): void {
    this.#client.end()
  }
  onClose(error: Error | undefined): void {
    if (error === undefined) this.#client.end()
    else this.#client.destroy()
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#exchange.observer?.onFinish()
  }
}
