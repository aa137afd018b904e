import type { Deadlines, Receiver, Timed, Transport } from '../http/index.ts'

/** Bytes both ways between two connections, with back-pressure and half-close, until both directions are done. */
export class Splice implements Timed {
  deadline: number
  readonly #client: Transport
  readonly #server: Transport
  readonly #deadlines: Deadlines
  readonly #idleTimeout: number
  readonly #onEnd: (bytes: { readonly received: number; readonly sent: number }) => void
  #received = 0
  #sent = 0
  #open = 2

  constructor(
    client: Transport,
    server: Transport,
    options: { readonly deadlines: Deadlines; readonly idleTimeout: number },
    onEnd: (bytes: { readonly received: number; readonly sent: number }) => void,
  ) {
    this.#client = client
    this.#server = server
    this.#deadlines = options.deadlines
    this.#idleTimeout = options.idleTimeout
    this.#onEnd = onEnd
    this.deadline = options.deadlines.now + options.idleTimeout
    client.receiver = this.#side(client, server, (length) => {
      this.#received += length
    })
    server.receiver = this.#side(server, client, (length) => {
      this.#sent += length
    })
    options.deadlines.add(this)
  }

  #side(from: Transport, to: Transport, count: (length: number) => void): Receiver {
    return {
      onData: (buffer, length) => {
        this.deadline = this.#deadlines.now + this.#idleTimeout
        count(length)
        if (!to.write(buffer.subarray(0, length))) from.pause()
      },
      onDrain: () => to.resume(),
      onEnd: () => to.end(),
      onClose: (error) => {
        if (error === undefined) to.end()
        else to.destroy()
        this.#closed()
      },
    }
  }

  #closed(): void {
    if (--this.#open > 0) {
      // What is still queued for the other side gets a while to leave.
      this.deadline = Math.min(this.deadline, this.#deadlines.now + 10_000)
      return
    }
    this.#deadlines.remove(this)
    this.#onEnd({ received: this.#received, sent: this.#sent })
  }

  destroy(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  onDeadline(): void {
    this.destroy()
  }
}
