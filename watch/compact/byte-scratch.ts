/** Bytes put together one after the other, in a buffer that is used again and again. */
export class ByteScratch {
  bytes = Buffer.allocUnsafeSlow(4096)
  length = 0

  push(byte: number): void {
    if (this.length === this.bytes.length) this.#grow(1)
    this.bytes[this.length++] = byte
  }

  /** Appends `source` from `start` to `end`. */
  copy(source: Buffer, start: number, end: number): void {
    if (this.length + end - start > this.bytes.length) this.#grow(end - start)
    const { bytes } = this
    let at = this.length
    // Names and addresses are shorter than what a call of memcpy costs.
    for (let index = start; index < end; index++) bytes[at++] = source[index] ?? 0
    this.length = at
  }

  /** Appends a protobuf varint. */
  varint(value: number): void {
    let rest = value
    for (; rest > 0x7f; rest >>>= 7) this.push((rest & 0x7f) | 0x80)
    this.push(rest)
  }

  /** Appends a length-delimited field: its tag, its length and a text. */
  text(tag: number, text: string): void {
    const length = Buffer.byteLength(text)
    this.push(tag)
    this.varint(length)
    if (this.length + length > this.bytes.length) this.#grow(length)
    this.length += this.bytes.write(text, this.length, length, 'utf8')
  }

  /** A string with a character for each byte: the form in which V8 keeps bytes best. */
  packed(): string {
    return this.bytes.toString('latin1', 0, this.length)
  }

  /** Takes the bytes of such a string in place of what was there. */
  unpack(packed: string): void {
    this.length = 0
    if (packed.length > this.bytes.length) this.#grow(packed.length)
    this.length = this.bytes.write(packed, 0, packed.length, 'latin1')
  }

  #grow(more: number): void {
    const larger = Buffer.allocUnsafeSlow(2 * (this.length + more))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }
}
