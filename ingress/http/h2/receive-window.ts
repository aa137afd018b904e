import { Frame, numbersFrame } from './frames.ts'

/** How much DATA the peer may send, on a stream or (0) on the connection; it is told of more in large steps. */
export class ReceiveWindow {
  readonly #stream: number
  readonly #step: number
  #left: number
  #used = 0

  constructor(stream: number, size: number) {
    this.#stream = stream
    this.#left = size
    this.#step = size / 4
  }

  /** DATA arrived; false if it is more than allowed. */
  arrived(size: number): boolean {
    this.#left -= size
    return this.#left >= 0
  }

  /** Bytes were used: perhaps it is time for a WINDOW_UPDATE. */
  used(size: number): Buffer | undefined {
    this.#used += size
    if (this.#used < this.#step) return undefined
    const frame = numbersFrame(Frame.windowUpdate, this.#stream, this.#used)
    this.#left += this.#used
    this.#used = 0
    return frame
  }
}
