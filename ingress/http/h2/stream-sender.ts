import type { FrameQueue } from './frame-queue.ts'
import { FRAME_SIZE } from './frames.ts'
import type { SendWindow } from './send-window.ts'

const NOTHING: readonly Buffer[] = []
const NO_CONTENT = Buffer.alloc(0)

/** What a sender needs of its connection. */
interface SenderConnection {
  readonly window: SendWindow
  readonly peer: { tableUpdate(): string }
  readonly queue: FrameQueue
}

/** Who is told how sending goes. */
export interface SenderOwner {
  onSent(): void
  onProgress(state: { readonly waits: boolean }): void
}

/** Sends one message: as much as the windows allow at once, the rest as they open. */
export class StreamSender {
  /** Bytes it may send by its own window; less than 0 after the peer made windows smaller. */
  window: number
  readonly #id: number
  readonly #connection: SenderConnection
  readonly #owner: SenderOwner
  /** DATA that waits for a window, and what follows it. */
  #waiting: Buffer[] = []
  #ends = false
  #trailers = ''
  #over = false

  constructor(id: number, connection: SenderConnection, owner: SenderOwner) {
    this.#id = id
    this.#connection = connection
    this.#owner = owner
    this.window = connection.window.initial
  }

  /** Sends a header block and content that may follow it. */
  message(block: string, content: readonly Buffer[], { end }: { readonly end: boolean }): void {
    if (this.#over) return
    let size = 0
    for (const piece of content) size += piece.length
    const { window } = this.#connection
    const fits = size === 0 || (size <= Math.min(FRAME_SIZE, this.window, window.size) && !window.blocked)
    const last = end && fits && this.#trailers === ''
    this.#head(block, fits ? content : NOTHING, { end: last })
    if (fits) {
      this.window -= size
      window.size -= size
    }
    if (last) this.#sent()
    else this.content(fits ? NOTHING : content, { end })
  }

  /** Sends content. */
  content(content: readonly Buffer[], { end }: { readonly end: boolean }): void {
    if (this.#over || this.#ends) return
    this.#waiting.push(...content)
    this.#ends = end
    this.advanceAll()
    // What is still here lies in a buffer that is read into again.
    if (this.#waiting.length > 0) this.#waiting = this.#waiting.map((piece) => Buffer.from(piece))
    if (this.waits) this.#owner.onProgress({ waits: true })
  }

  /** Sends trailers behind everything else; told before the end is. */
  setTrailers(block: string): void {
    this.#trailers = block
  }

  get waits(): boolean {
    return !this.#over && (this.#waiting.length > 0 || this.#ends)
  }

  advanceAll(): void {
    while (this.waits && this.advance());
  }

  /** Sends one frame of what waits, if the windows allow; true if it did. */
  advance(): boolean {
    const { window } = this.#connection
    const [first] = this.#waiting
    if (first === undefined) {
      if (this.#ends) this.#sendEnd()
      return this.#ends
    }
    const size = Math.min(first.length, FRAME_SIZE, this.window, window.size)
    if (size <= 0 || window.blocked) return false
    if (size === first.length) this.#waiting.shift()
    else this.#waiting[0] = first.subarray(size)
    const last = this.#ends && this.#waiting.length === 0 && this.#trailers === ''
    this.window -= size
    window.size -= size
    this.#connection.queue.data(this.#id, size === first.length ? first : first.subarray(0, size), {
      end: last,
    })
    if (last) this.#sent()
    else if (!this.#ends || this.#waiting.length > 0) this.#owner.onProgress({ waits: this.waits })
    return true
  }

  #sendEnd(): void {
    const block = this.#trailers
    if (block === '') this.#connection.queue.data(this.#id, NO_CONTENT, { end: true })
    else this.#head(block, NOTHING, { end: true })
    this.#sent()
  }

  #head(fields: string, content: readonly Buffer[], { end }: { readonly end: boolean }): void {
    const block = this.#connection.peer.tableUpdate() + fields
    this.#connection.queue.message(this.#id, { block, content, end })
  }

  #sent(): void {
    this.stop()
    this.#owner.onSent()
  }

  /** Sends nothing more. */
  stop(): void {
    this.#over = true
    this.#waiting = []
  }
}
