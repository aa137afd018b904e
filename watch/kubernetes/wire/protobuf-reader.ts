import { SharedTexts } from './shared-texts.ts'

/** Bytes that are no protobuf message, or one that was cut off. */
export class WireError extends Error {
  readonly code = 'KUBERNETES_WIRE'

  constructor(message: string) {
    super(message)
    this.name = 'WireError'
  }
}

const texts = new SharedTexts()

/** Reads protobuf fields (varint and length-delimited; others are skipped) from a part of a buffer. */
export class ProtobufReader {
  readonly bytes: Buffer
  position: number
  /** where the message being read ends */
  end: number

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.position = start
    this.end = end
  }

  /** An unsigned or two's complement 64-bit varint; exact up to 2^53. */
  varint(): number {
    const { position } = this
    // Nearly all are a single byte.
    const first = position < this.end ? (this.bytes[position] ?? 0) : 0x80
    if (first >= 0x80) return this.#long()
    this.position = position + 1
    return first
  }

  #long(): number {
    const { bytes, end } = this
    let value = 0
    let scale = 1
    for (let count = 0; count < 10; count++) {
      if (this.position >= end) throw new WireError('a number is cut off')
      const byte = bytes[this.position++] ?? 0
      if (count === 9) return this.#negative()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw new WireError('a number is longer than 64 bits')
  }

  /** Ten bytes mean that bit 63 is set: read them again exactly. */
  #negative(): number {
    let value = 0n
    for (let count = 0; count < 10; count++) {
      value |= BigInt((this.bytes[this.position - 10 + count] ?? 0) & 0x7f) << BigInt(7 * count)
    }
    return Number(BigInt.asIntN(64, value))
  }

  /** The length of a length-delimited field, checked to lie within the message. */
  length(): number {
    const length = this.varint()
    if (length < 0 || this.position + length > this.end) throw new WireError('a field is cut off')
    return length
  }

  text(): string {
    const length = this.length()
    const start = this.position
    this.position += length
    return texts.read(this.bytes, start, this.position)
  }

  /** A text that hardly ever comes twice (names, addresses, uids): kept apart, so that it drives out none that does. */
  ownText(): string {
    const length = this.length()
    const start = this.position
    this.position += length
    return length === 0 ? '' : this.bytes.toString('utf8', start, this.position)
  }

  /** A copy: the buffer it comes from is not kept alive. */
  copy(): Buffer {
    const length = this.length()
    const start = this.position
    this.position += length
    return Buffer.from(this.bytes.subarray(start, this.position))
  }

  /** Runs `body` with the reader bounded to the next length-delimited field. */
  within(body: () => void): void {
    const length = this.length()
    const outer = this.end
    this.end = this.position + length
    body()
    this.position = this.end
    this.end = outer
  }

  /** Passes a field, and those behind it with the same tag (of one byte); says where that ends. */
  passRepeated(tag: number): number {
    for (;;) {
      const length = this.length()
      this.position += length
      if (this.position >= this.end || this.bytes[this.position] !== tag) return this.position
      this.position++
    }
  }

  /** Bounds the reader to the next length-delimited field; `leave` takes what it returns. */
  enter(): number {
    const length = this.length()
    const outer = this.end
    this.end = this.position + length
    return outer
  }

  leave(outer: number): void {
    this.position = this.end
    this.end = outer
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint()
    else if (wireType === 2) {
      const length = this.length()
      this.position += length
    } else if (wireType === 1) this.position += 8
    else if (wireType === 5) this.position += 4
    else throw new WireError(`wire type ${wireType} is not known`)
    if (this.position > this.end) throw new WireError('a field is cut off')
  }
}
