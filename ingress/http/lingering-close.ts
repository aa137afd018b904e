import type { Deadlines, Timed } from './deadlines.ts'
import type { Receiver, Transport } from './transport.ts'

const LINGER_MS = 5000
const LINGER_BYTES = 16 * 1024 * 1024

/**
 * The end of a client's connection (RFC 9112 §9.6): what is queued is sent, and what still comes is read and thrown away for a
 * moment, because closing with unread input would reset the connection under the answer.
 */
export class LingeringClose implements Receiver, Timed {
  deadline: number
  readonly #transport: Transport
  readonly #deadlines: Deadlines
  readonly #closed: () => void
  #read = 0

  /** `sendTimeout`: ms in which the client takes the rest of the answer. `closed` is told when the connection is gone. */
  constructor(
    transport: Transport,
    deadlines: Deadlines,
    { sendTimeout, closed }: { readonly sendTimeout: number; readonly closed: () => void },
  ) {
    this.#transport = transport
    this.#deadlines = deadlines
    this.#closed = closed
    this.deadline = deadlines.now + sendTimeout + LINGER_MS
    transport.receiver = this
    deadlines.add(this)
  }

  onData(_buffer: Buffer, length: number): void {
    this.#read += length
    if (this.#read > LINGER_BYTES) this.#transport.destroy()
  }

  onDrain(): void {}

  onEnd(): void {
    this.#transport.end()
  }

  onClose(): void {
    this.#deadlines.remove(this)
    this.#closed()
  }

  onDeadline(): void {
    this.#transport.destroy()
  }
}
