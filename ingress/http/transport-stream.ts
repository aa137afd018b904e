import { Duplex } from 'node:stream'
import type { Transport } from './transport.ts'

/** A transport as a Node stream, for what speaks streams only; `rest` are bytes that were read already. */
export class TransportStream extends Duplex {
  readonly #transport: Transport
  #waiting: ((error?: Error | null) => void) | undefined

  constructor(transport: Transport, rest: Buffer) {
    super({ allowHalfOpen: true })
    this.#transport = transport
    if (rest.length > 0) this.push(Buffer.from(rest))
    transport.receiver = {
      onData: (buffer, length) => {
        if (!this.push(Buffer.from(buffer.subarray(0, length)))) transport.pause()
      },
      onDrain: () => this.#written(),
      onEnd: () => void this.push(null),
      onClose: (error) => {
        this.#written()
        this.destroy(error)
      },
    }
  }

  #written(): void {
    const done = this.#waiting
    this.#waiting = undefined
    done?.()
  }

  override _read(): void {
    this.#transport.resume()
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#transport.write(chunk)) done()
    else this.#waiting = done
  }
  override _writev(
    chunks: { readonly chunk: Buffer; readonly encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#transport.cork()
    for (const { chunk } of chunks) this.#transport.write(chunk)
    if (this.#transport.uncork()) done()
    else this.#waiting = done
  }
  override _final(done: (error?: Error | null) => void): void {
    this.#transport.end()
    done()
  }
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#transport.destroy()
    done(error)
  }
}
