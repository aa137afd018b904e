import type { Deadlines, Timed } from './deadlines.ts'
import { type ProxiedPeer, readProxyHeader } from './proxy-protocol.ts'
import { NOBODY, type Receiver, type Transport } from './transport.ts'

/** Waits for the PROXY protocol header of a new connection, then hands the connection on under the address it names. */
export class ProxiedConnection implements Receiver, Timed {
  deadline: number
  readonly #transport: Transport
  readonly #deadlines: Deadlines
  readonly #take: (transport: Transport, peer: ProxiedPeer | undefined) => void
  #held: Buffer = Buffer.alloc(0)

  constructor(
    transport: Transport,
    options: { readonly deadlines: Deadlines; readonly timeout: number },
    take: (transport: Transport, peer: ProxiedPeer | undefined) => void,
  ) {
    this.#transport = transport
    this.#deadlines = options.deadlines
    this.#take = take
    this.deadline = options.deadlines.now + options.timeout
    transport.receiver = this
    options.deadlines.add(this)
  }

  onData(buffer: Buffer, length: number): void {
    this.#held = Buffer.concat([this.#held, buffer.subarray(0, length)])
    const header = readProxyHeader(this.#held)
    if (header === 'incomplete') return
    if (header === 'malformed') {
      // A peer that does not name the client could be anybody: nothing it sends is served.
      this.#transport.destroy()
      return
    }
    this.#deadlines.remove(this)
    this.#transport.receiver = NOBODY
    if (header.peer !== undefined) this.#transport.assumePeer(header.peer.source)
    this.#take(this.#transport, header.peer)
    const rest = this.#held.subarray(header.end)
    if (rest.length > 0) this.#transport.receiver.onData(rest, rest.length)
  }

  onDrain(): void {}
  onEnd(): void {
    this.#transport.destroy()
  }
  onClose(): void {
    this.#deadlines.remove(this)
  }
  onDeadline(): void {
    this.#transport.destroy()
  }
}
