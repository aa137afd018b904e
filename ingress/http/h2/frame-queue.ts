import type { Transport } from '../transport.ts'
import { FRAME_SIZE, HEAD_SIZE, type Message, messageSize, writeData, writeMessage } from './frames.ts'

/** Frames of the largest size fit well. */
const CHUNK = 4 * (HEAD_SIZE + FRAME_SIZE)
const MOST_FREE = 64
/** So much is copied, if it has to be, rather than a chunk given away. */
const COPIED = 8192
const free: Buffer[] = []

/** Keeps a buffer to be used again. */
function recycle(chunk: Buffer): void {
  if (chunk.length === CHUNK && free.length < MOST_FREE) free.push(chunk)
}

/** A buffer, and how much of it is written. */
interface Written {
  readonly chunk: Buffer
  readonly size: number
}

/** Whose frames they are. */
interface FrameSource {
  /** What is queued is about to leave: the last chance to add to it. */
  onFlush(): void
  /** The transport wants to be left alone until it drains. */
  onBlocked(): void
}

/** Frames on their way out: all that one turn of the event loop brings is written into one buffer and leaves together. */
export class FrameQueue {
  readonly #transport: Transport
  readonly #source: FrameSource
  /** Buffers that are full, and the one that is written into up to `#size`. */
  #full: Written[] = []
  #chunk: Buffer | undefined
  #size = 0
  /** Buffers the transport has not let go of yet. */
  #lent: Buffer[] = []
  #closed = false
  #scheduled: NodeJS.Immediate | undefined
  readonly #onTurn = () => this.flush()

  constructor(transport: Transport, source: FrameSource) {
    this.#transport = transport
    this.#source = source
  }

  /** Adds frames that are made already. */
  add(frames: Buffer): void {
    if (this.#closed) return
    const into = this.#room(frames.length)
    this.#size += frames.copy(into, this.#size)
  }

  message(stream: number, message: Message): void {
    if (this.#closed) return
    const into = this.#room(messageSize(message))
    this.#size = writeMessage(into, this.#size, stream, message)
  }

  data(stream: number, content: Buffer, state: { readonly end: boolean }): void {
    if (this.#closed) return
    const into = this.#room(HEAD_SIZE + content.length)
    this.#size = writeData(into, this.#size, stream, content, state)
  }

  #room(size: number): Buffer {
    this.schedule()
    if (this.#chunk !== undefined && this.#chunk.length - this.#size >= size) return this.#chunk
    if (this.#chunk !== undefined) this.#full.push({ chunk: this.#chunk, size: this.#size })
    this.#chunk = size > CHUNK ? Buffer.allocUnsafeSlow(size) : (free.pop() ?? Buffer.allocUnsafeSlow(CHUNK))
    this.#size = 0
    return this.#chunk
  }

  /** Asks for `onFlush`, and for what is queued then to leave. */
  schedule(): void {
    if (!this.#closed) this.#scheduled ??= setImmediate(this.#onTurn)
  }

  flush(): void {
    this.#source.onFlush()
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    const chunk = this.#chunk
    if (chunk === undefined) return
    const written = [...this.#full, { chunk, size: this.#size }]
    this.#full = []
    this.#chunk = undefined
    if (!this.#write(written)) this.#source.onBlocked()
  }

  #write(written: readonly Written[]): boolean {
    const transport = this.#transport
    const { keepsNothing = false } = transport
    const [{ chunk, size }] = written as readonly [Written]
    if (written.length === 1 && size <= COPIED) {
      const frames = chunk.subarray(0, size)
      const taken = transport.write(keepsNothing ? frames : Buffer.from(frames))
      recycle(chunk)
      return taken
    }
    transport.cork()
    for (const one of written) transport.writeHeld(one.chunk.subarray(0, one.size))
    const taken = transport.uncork()
    if (keepsNothing) for (const one of written) this.#lent.push(one.chunk)
    if (taken) this.drained()
    return taken
  }

  /** The transport has taken everything. */
  drained(): void {
    for (const chunk of this.#lent) recycle(chunk)
    this.#lent = []
  }

  /** Takes nothing more, and forgets what has not left. */
  close(): void {
    this.#closed = true
    clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    this.#full = []
    this.#chunk = undefined
  }
}
