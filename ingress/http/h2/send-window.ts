import { Code, H2Fault } from './fault.ts'
import { DEFAULT_WINDOW, MOST_WINDOW } from './frames.ts'
import type { StreamSender } from './stream-sender.ts'

/** A stream, as far as its sending goes. */
interface Sending {
  readonly sender: StreamSender
}

/** How much may be sent on a connection (RFC 9113 §5.2, §6.9). */
export class SendWindow {
  /** Bytes of DATA that may be sent on all streams together. */
  size = DEFAULT_WINDOW
  /** What a new stream may send. */
  initial = DEFAULT_WINDOW
  /** The transport takes nothing just now. */
  blocked = false
  readonly #streams: ReadonlyMap<number, Sending>

  constructor(streams: ReadonlyMap<number, Sending>) {
    this.#streams = streams
  }

  setInitial(size: number): void {
    const change = size - this.initial
    this.initial = size
    for (const { sender } of this.#streams.values()) {
      sender.window += change
      if (sender.window > MOST_WINDOW) throw new H2Fault(Code.flowControl, 'a window grew too large')
    }
    this.advance()
  }

  /** The peer allows more, on a stream or (0) on the connection. */
  grow(id: number, size: number): void {
    if (size === 0) throw new H2Fault(Code.protocol, 'WINDOW_UPDATE of nothing', id)
    if (id === 0) {
      this.size += size
      if (this.size > MOST_WINDOW) throw new H2Fault(Code.flowControl, 'the window grew too large')
      this.advance()
      return
    }
    const sender = this.#streams.get(id)?.sender
    if (sender === undefined) return
    sender.window += size
    if (sender.window > MOST_WINDOW) throw new H2Fault(Code.flowControl, 'the window grew too large', id)
    sender.advanceAll()
  }

  /** Lets the streams that wait send, a frame each in turn. */
  advance(): void {
    for (let moved = true; moved && this.size > 0 && !this.blocked; ) {
      moved = false
      for (const { sender } of this.#streams.values()) if (sender.waits && sender.advance()) moved = true
    }
  }
}
