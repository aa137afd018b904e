import { NetlinkFormatError } from '../errors.ts'

const TYPE_MASK = 0x3fff
const decoder = new TextDecoder()

/**
 * The attributes in a stretch of bytes, found once and read by type. Every access is checked against the bounds:
 * a reply that does not hold what its reader expects throws NetlinkFormatError and nothing else.
 */
export class Attributes {
  readonly #bytes: Uint8Array
  /** type -> offset of the attribute header; of several with one type the last one counts. */
  readonly #at = new Map<number, number>()
  readonly #order: number[] = []

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    if (start < 0 || end > bytes.length || start > end) {
      throw new NetlinkFormatError(`attributes at ${start}..${end} of ${bytes.length} bytes`)
    }
    let at = start
    while (end - at >= 4) {
      const length = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
      if (length < 4 || at + length > end) {
        throw new NetlinkFormatError(`attribute at offset ${at} claims ${length} of ${end - at} bytes`)
      }
      this.#at.set(((bytes[at + 2] ?? 0) | ((bytes[at + 3] ?? 0) << 8)) & TYPE_MASK, at)
      this.#order.push(at)
      at += (length + 3) & ~3
    }
  }

  has(type: number): boolean {
    return this.#at.has(type)
  }

  u8(type: number): number | undefined {
    return this.#scalar(type, 1)?.[0]
  }

  u16(type: number): number | undefined {
    const b = this.#scalar(type, 2)
    return b && (b[0] ?? 0) | ((b[1] ?? 0) << 8)
  }

  u16Be(type: number): number | undefined {
    const b = this.#scalar(type, 2)
    return b && ((b[0] ?? 0) << 8) | (b[1] ?? 0)
  }

  u32(type: number): number | undefined {
    const b = this.#scalar(type, 4)
    return b && ((b[0] ?? 0) | ((b[1] ?? 0) << 8) | ((b[2] ?? 0) << 16) | ((b[3] ?? 0) << 24)) >>> 0
  }

  s32(type: number): number | undefined {
    const value = this.u32(type)
    return value === undefined ? undefined : value | 0
  }

  u32Be(type: number): number | undefined {
    const b = this.#scalar(type, 4)
    return b && (((b[0] ?? 0) << 24) | ((b[1] ?? 0) << 16) | ((b[2] ?? 0) << 8) | (b[3] ?? 0)) >>> 0
  }

  u64Be(type: number): bigint | undefined {
    const b = this.#scalar(type, 8)
    return b && new DataView(b.buffer, b.byteOffset, 8).getBigUint64(0)
  }

  /** Text up to the first NUL. */
  string(type: number): string | undefined {
    const b = this.bytes(type)
    if (b === undefined) return undefined
    const nul = b.indexOf(0)
    return decoder.decode(nul < 0 ? b : b.subarray(0, nul))
  }

  /** The payload, as a view into the message: copy it (`slice`) to keep it. */
  bytes(type: number): Uint8Array | undefined {
    const at = this.#at.get(type)
    return at === undefined ? undefined : this.#payload(at)
  }

  /** The attributes nested in one. */
  nested(type: number): Attributes | undefined {
    const at = this.#at.get(type)
    return at === undefined ? undefined : new Attributes(this.#bytes, at + 4, at + this.#lengthAt(at))
  }

  /** The attributes nested in each attribute of this level, in order: for lists. */
  *items(): Generator<Attributes> {
    for (const at of this.#order) yield new Attributes(this.#bytes, at + 4, at + this.#lengthAt(at))
  }

  /** Payloads with their types, in order. */
  *entries(): Generator<readonly [type: number, payload: Uint8Array]> {
    for (const at of this.#order) {
      const type = ((this.#bytes[at + 2] ?? 0) | ((this.#bytes[at + 3] ?? 0) << 8)) & TYPE_MASK
      yield [type, this.#payload(at)]
    }
  }

  #lengthAt(at: number): number {
    return (this.#bytes[at] ?? 0) | ((this.#bytes[at + 1] ?? 0) << 8)
  }

  #payload(at: number): Uint8Array {
    return this.#bytes.subarray(at + 4, at + this.#lengthAt(at))
  }

  #scalar(type: number, size: number): Uint8Array | undefined {
    const b = this.bytes(type)
    if (b !== undefined && b.length < size) {
      throw new NetlinkFormatError(`attribute ${type} has ${b.length} bytes instead of ${size}`)
    }
    return b
  }
}

/** One message inside a received datagram. `body` and `end` are offsets into `bytes`. */
export interface Message {
  readonly bytes: Uint8Array
  readonly type: number
  readonly flags: number
  readonly seq: number
  readonly portId: number
  /** Offset of the first byte after the nlmsghdr. */
  readonly body: number
  readonly end: number
}

/** Little endian u32 at an offset, bounds-checked. */
export function readU32(bytes: Uint8Array, at: number): number {
  if (at < 0 || at + 4 > bytes.length) throw new NetlinkFormatError(`no 4 bytes at offset ${at}`)
  return (
    ((bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)) >>>
    0
  )
}

/** Little endian u16 at an offset, bounds-checked. */
export function readU16(bytes: Uint8Array, at: number): number {
  if (at < 0 || at + 2 > bytes.length) throw new NetlinkFormatError(`no 2 bytes at offset ${at}`)
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
}

/** The byte at an offset, bounds-checked. */
export function readU8(bytes: Uint8Array, at: number): number {
  const value = bytes[at]
  if (value === undefined) throw new NetlinkFormatError(`no byte at offset ${at}`)
  return value
}

/** Attributes of a message whose fixed header after the nlmsghdr has `header` bytes. */
export function attributesOf(message: Message, header: number): Attributes {
  if (message.body + header > message.end) {
    throw new NetlinkFormatError(`type ${message.type} with ${message.end - message.body} bytes of payload`)
  }
  return new Attributes(message.bytes, message.body + header, message.end)
}

/** Splits the first `length` bytes of a datagram into messages. */
export function* messagesOf(bytes: Uint8Array, length: number): Generator<Message> {
  let at = 0
  while (length - at >= 16) {
    const size = readU32(bytes, at)
    if (size < 16 || at + size > length) {
      throw new NetlinkFormatError(`message at offset ${at} claims ${size} of ${length - at} bytes`)
    }
    yield {
      bytes,
      type: readU16(bytes, at + 4),
      flags: readU16(bytes, at + 6),
      seq: readU32(bytes, at + 8),
      portId: readU32(bytes, at + 12),
      body: at + 16,
      end: at + size,
    }
    at += (size + 3) & ~3
  }
}
