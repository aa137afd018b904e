import type { Transport } from '../transport.ts'

// One write for what was gathered, unless it is so much that joining it costs more than several pieces.
const JOINED_BYTES = 65_536

/** Whose frames they are. */
interface FrameSource {
  /** What is queued is about to leave: the last chance to add to it. */
  onFlush(): void
  /** The transport wants to be left alone until it drains. */
  onBlocked(): void
}

/** Frames on their way out: all that one turn of the event loop brings leaves together. */
export class FrameQueue {
  readonly #transport: Transport
  readonly #source: FrameSource
  #pieces: Buffer[] = []
  #size = 0
  #scheduled: NodeJS.Immediate | undefined
  readonly #onTurn = () => this.flush()

  constructor(transport: Transport, source: FrameSource) {
    this.#transport = transport
    this.#source = source
  }

  add(frames: Buffer): void {
    this.#pieces.push(frames)
    this.#size += frames.length
    this.schedule()
  }

  schedule(): void {
    this.#scheduled ??= setImmediate(this.#onTurn)
  }

  flush(): void {
    this.#source.onFlush()
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    if (this.#size === 0) return
    const free = this.#write(this.#pieces, this.#size)
    this.#pieces = []
    this.#size = 0
    if (!free) this.#source.onBlocked()
  }

  #write(pieces: readonly Buffer[], size: number): boolean {
    const transport = this.#transport
    const [first] = pieces
    if (pieces.length === 1 && first !== undefined) return transport.writeHeld(first)
    if (size <= JOINED_BYTES) return transport.writeHeld(Buffer.concat(pieces, size))
    transport.cork()
    for (const piece of pieces) transport.writeHeld(piece)
    return transport.uncork()
  }

  /** Forgets what has not left. */
  clear(): void {
    clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    this.#pieces = []
    this.#size = 0
  }
}
