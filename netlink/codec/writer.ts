import { NetlinkValueError } from '../errors.ts'

/** Bit of an attribute type that says its payload is a list of attributes. */
export const NLA_F_NESTED = 0x8000

/** nlmsghdr (include/uapi/linux/netlink.h): length u32, type u16, flags u16, seq u32, port id u32. */
export const NLMSG_HEADER = 16

/** Attribute lengths are 16 bit: no nested list may grow beyond this. */
export const MAX_ATTRIBUTE = 0xffff

const encoder = new TextEncoder()

/**
 * Writes netlink messages one after another into one growing buffer. Little endian hosts only (x64, arm64);
 * `...Be` methods write network order. Bytes are stored directly: batches of 10^5 elements pass through here.
 */
export class MessageWriter {
  #bytes: Uint8Array<ArrayBuffer>
  #length = 0
  #message = -1

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length
  }

  /** The underlying storage; only the first `length` bytes count, and only until the next write. */
  get storage(): Uint8Array {
    return this.#bytes
  }

  /** A copy of what was written. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  reset(): void {
    this.#length = 0
    this.#message = -1
  }

  /** Takes back everything written after `length`. */
  truncate(length: number): void {
    this.#length = length
  }

  /** Starts a message and returns its offset; `end` fills in its length. */
  begin(type: number, flags: number, seq: number): number {
    const start = this.#length
    this.#reserve(NLMSG_HEADER)
    this.#message = start
    this.#put32(start, 0)
    this.#put16(start + 4, type)
    this.#put16(start + 6, flags)
    this.#put32(start + 8, seq)
    this.#put32(start + 12, 0)
    return start
  }

  /** Ends the message begun last. */
  end(): void {
    this.#put32(this.#message, this.#length - this.#message)
  }

  u8(value: number): void {
    const at = this.#length
    this.#reserve(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    const at = this.#length
    this.#reserve(2)
    this.#put16(at, value)
  }

  u32(value: number): void {
    const at = this.#length
    this.#reserve(4)
    this.#put32(at, value)
  }

  zeros(count: number): void {
    const at = this.#length
    this.#reserve(count)
    this.#bytes.fill(0, at, at + count)
  }

  raw(value: Uint8Array): void {
    const at = this.#length
    this.#reserve(value.length)
    this.#bytes.set(value, at)
  }

  /** An attribute without payload. */
  flag(type: number): void {
    this.#header(type, 0)
  }

  attrU8(type: number, value: number): void {
    const at = this.#header(type, 1)
    this.#bytes[at] = value
  }

  attrU16(type: number, value: number): void {
    this.#put16(this.#header(type, 2), value)
  }

  attrU16Be(type: number, value: number): void {
    const at = this.#header(type, 2)
    this.#bytes[at] = value >>> 8
    this.#bytes[at + 1] = value
  }

  attrU32(type: number, value: number): void {
    this.#put32(this.#header(type, 4), value)
  }

  attrU32Be(type: number, value: number): void {
    this.#put32Be(this.#header(type, 4), value)
  }

  /** `value` up to 2^53. */
  attrU64Be(type: number, value: number | bigint): void {
    const at = this.#header(type, 8)
    const wide = BigInt.asUintN(64, BigInt(value))
    this.#put32Be(at, Number(wide >> 32n))
    this.#put32Be(at + 4, Number(wide & 0xffffffffn))
  }

  /** A NUL-terminated string. */
  attrString(type: number, value: string): void {
    // Names are ASCII nearly always: store the bytes without an intermediate array.
    const at = this.#header(type, value.length + 1)
    for (let i = 0; i < value.length; i += 1) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) {
        this.#length = at - 4
        this.attrBytes(type, encoder.encode(`${value}\0`))
        return
      }
      this.#bytes[at + i] = code
    }
    this.#bytes[at + value.length] = 0
  }

  attrBytes(type: number, value: Uint8Array): void {
    const at = this.#header(type, value.length)
    // After #header: it may have moved to a bigger buffer. Short values are faster copied by hand.
    const bytes = this.#bytes
    if (value.length > 32) bytes.set(value, at)
    else for (let i = 0; i < value.length; i += 1) bytes[at + i] = value[i] ?? 0
  }

  /** Starts a nested attribute; give the returned offset to `endNest`. */
  nest(type: number): number {
    const start = this.#length
    this.#reserve(4)
    this.#put16(start, 4)
    this.#put16(start + 2, type | NLA_F_NESTED)
    return start
  }

  /** Like `nest` without NLA_F_NESTED, where old kernel interfaces do not set it. */
  nestPlain(type: number): number {
    const start = this.nest(type)
    this.#put16(start + 2, type)
    return start
  }

  endNest(start: number): void {
    const length = this.#length - start
    if (length > MAX_ATTRIBUTE) {
      throw new NetlinkValueError(
        'attribute',
        `${length} bytes do not fit into one (at most ${MAX_ATTRIBUTE})`,
      )
    }
    this.#put16(start, length)
  }

  /** Writes an attribute header plus zeroed padding and returns the offset of its payload. */
  #header(type: number, length: number): number {
    const start = this.#length
    if (length > MAX_ATTRIBUTE - 4) {
      throw new NetlinkValueError('attribute', `a payload of ${length} bytes does not fit into one`)
    }
    const padded = (length + 7) & ~3
    this.#reserve(padded)
    this.#put16(start, length + 4)
    this.#put16(start + 2, type)
    for (let i = start + 4 + length; i < start + padded; i += 1) this.#bytes[i] = 0
    return start + 4
  }

  #put16(at: number, value: number): void {
    this.#bytes[at] = value
    this.#bytes[at + 1] = value >>> 8
  }

  #put32(at: number, value: number): void {
    this.#bytes[at] = value
    this.#bytes[at + 1] = value >>> 8
    this.#bytes[at + 2] = value >>> 16
    this.#bytes[at + 3] = value >>> 24
  }

  #put32Be(at: number, value: number): void {
    this.#bytes[at] = value >>> 24
    this.#bytes[at + 1] = value >>> 16
    this.#bytes[at + 2] = value >>> 8
    this.#bytes[at + 3] = value
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = grown
    }
    this.#length = needed
  }
}
