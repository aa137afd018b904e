const END_OF_HEAD = '\r\n\r\n'

/** Bytes a connection received and has not used yet: pos..end of `bytes`, which may be the transport's own buffer. */
export class InputBuffer {
  bytes: Buffer | undefined
  pos = 0
  end = 0
  /** `bytes` is read into again once the current event is over. */
  borrowed = false
  #scanned = 0

  get held(): number {
    return this.bytes === undefined ? 0 : this.end - this.pos
  }

  /** Adds what arrived, without a copy if nothing was left over. */
  add(buffer: Buffer, length: number): void {
    if (this.bytes === undefined) {
      this.bytes = buffer
      this.pos = 0
      this.end = length
      this.#scanned = 0
      this.borrowed = true
      return
    }
    this.#scanned -= this.pos
    this.bytes = Buffer.concat([this.bytes.subarray(this.pos, this.end), buffer.subarray(0, length)])
    this.end -= this.pos - length
    this.pos = 0
    this.borrowed = false
  }

  /** Copies what is left out of the transport's buffer. */
  own(): void {
    const buffer = this.bytes
    if (buffer === undefined || !this.borrowed) return
    const size = this.end - this.pos
    const own = Buffer.allocUnsafe(size)
    buffer.copy(own, 0, this.pos, this.end)
    this.#scanned -= this.pos
    this.bytes = own
    this.pos = 0
    this.end = size
    this.borrowed = false
  }

  /** Lets go of the bytes once all are used. */
  trim(): void {
    if (this.bytes !== undefined && this.pos >= this.end) this.bytes = undefined
  }

  clear(): void {
    this.bytes = undefined
  }

  /** What is left, taken out. */
  rest(): Buffer | undefined {
    const rest = this.bytes?.subarray(this.pos, this.end)
    this.bytes = undefined
    return rest
  }

  /** A head that trickles in is not parsed again for each byte: only when it may be complete or has doubled. */
  worthParsing(buffer: Buffer): boolean {
    if (this.#scanned <= 0 || this.end - this.pos >= 2 * (this.#scanned - this.pos)) return true
    return buffer.indexOf(END_OF_HEAD, Math.max(this.pos, this.#scanned - 3), 'latin1') !== -1
  }

  /** A head begins in these bytes and does not end there. */
  scanned(): void {
    this.#scanned = this.end
  }

  /** A head was taken, up to `next`. */
  advance(next: number): void {
    this.pos = next
    this.#scanned = 0
  }
}
