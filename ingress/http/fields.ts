import { COLON, CR, HTAB, LF, SP, TOKEN, VALUE } from './chars.ts'

/** The fields the engine itself has to know; every other field is 0 and is copied without being looked at. */
export const Field = {
  other: 0,
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  expect: 5,
  upgrade: 6,
  keepAlive: 7,
  proxyConnection: 8,
  te: 9,
  trailer: 10,
  xForwardedFor: 11,
  xForwardedProto: 12,
  xForwardedHost: 13,
  xForwardedPort: 14,
  xRealIp: 15,
  forwarded: 16,
  server: 17,
  date: 18,
  http2Settings: 19,
} as const

const NAMES: readonly (readonly [name: string, id: number])[] = [
  ['host', Field.host],
  ['connection', Field.connection],
  ['content-length', Field.contentLength],
  ['transfer-encoding', Field.transferEncoding],
  ['expect', Field.expect],
  ['upgrade', Field.upgrade],
  ['keep-alive', Field.keepAlive],
  ['proxy-connection', Field.proxyConnection],
  ['te', Field.te],
  ['trailer', Field.trailer],
  ['x-forwarded-for', Field.xForwardedFor],
  ['x-forwarded-proto', Field.xForwardedProto],
  ['x-forwarded-host', Field.xForwardedHost],
  ['x-forwarded-port', Field.xForwardedPort],
  ['x-real-ip', Field.xRealIp],
  ['forwarded', Field.forwarded],
  ['server', Field.server],
  ['date', Field.date],
  ['http2-settings', Field.http2Settings],
]

interface Known {
  readonly id: number
  readonly bytes: Buffer
}

/** By length and first letter, which leaves nearly always one candidate or none. */
const KNOWN: (readonly Known[] | undefined)[] = new Array(32 * 32).fill(undefined)
for (const [name, id] of NAMES) {
  const slot = slotOf(name.length, name.charCodeAt(0))
  KNOWN[slot] = [...(KNOWN[slot] ?? []), { id, bytes: Buffer.from(name) }]
}

function slotOf(length: number, first: number): number {
  return (length << 5) | (first & 0x1f)
}

function identify(buffer: Buffer, start: number, length: number): number {
  const candidates = length < 32 ? KNOWN[slotOf(length, buffer[start] as number)] : undefined
  if (candidates === undefined) return Field.other
  next: for (const known of candidates) {
    for (let at = 0; at < length; at++) {
      // Both sides are token bytes, so setting bit 5 folds letters and cannot turn another byte into a letter we list.
      if (((buffer[start + at] as number) | 0x20) !== known.bytes[at]) continue next
    }
    return known.id
  }
  return Field.other
}

/** A field set of Field ids, for the copying loop. */
export function fieldMask(...ids: number[]): Uint8Array {
  const mask = new Uint8Array(32)
  for (const id of ids) mask[id] = 1
  return mask
}

const HIGH_BITS = 0x80808080 | 0

/** Sets the high bit of a byte below 0x20 or equal to 0x7f, and maybe of others above the first such. */
function controlBits(word: number): number {
  const del = word ^ 0x7f7f7f7f
  return (((word - 0x20202020) | 0) & ~word) | (((del - 0x01010101) | 0) & ~del)
}

/** Goes four bytes at a time over what may stand in a value, up to some control character (a tab too) or the last bytes. */
function skipPlain(view: DataView, pos: number, end: number): number {
  while (pos + 4 <= end && (controlBits(view.getInt32(pos, true)) & HIGH_BITS) === 0) pos += 4
  return pos
}

export const INCOMPLETE = -1
export const MALFORMED = -2
export const TOO_MANY = -3

export const MAX_FIELDS = 200
const EMPTY = Buffer.alloc(0)
const NO_VIEW = new DataView(EMPTY.buffer, EMPTY.byteOffset, 0)

/**
 * A section of header (or trailer) fields as offsets into the buffer it arrived in: four numbers and an id per field and
 * not one string. Lines are consecutive, so a run of untouched fields can be copied as one slice.
 */
export class FieldTable {
  buffer: Buffer = EMPTY
  count = 0
  /** Where the blank line that ends the section starts. */
  sectionEnd = 0
  // Plain arrays of small integers: a typed array of this size lives outside the heap and costs far more to make and collect.
  readonly #at: number[] = []
  readonly #id: number[] = []
  /** A view of `#viewed`, made anew when another buffer comes, which is seldom. */
  #view: DataView = NO_VIEW
  #viewed: Buffer = EMPTY

  /** Parses from `pos`; the offset behind the blank line, or INCOMPLETE, MALFORMED, TOO_MANY. RFC 9112 §5, strictly. */
  parseFields(buffer: Buffer, pos: number, end: number): number {
    this.buffer = buffer
    const view = this.#viewOf(buffer)
    let count = 0
    for (;;) {
      if (pos >= end) return INCOMPLETE
      if (buffer[pos] === CR) {
        if (pos + 1 >= end) return INCOMPLETE
        if (buffer[pos + 1] !== LF) return MALFORMED
        this.count = count
        this.sectionEnd = pos
        return pos + 2
      }
      const nameStart = pos
      while (pos < end && TOKEN[buffer[pos] as number] === 1) pos++
      if (pos >= end) return INCOMPLETE
      // Also catches obs-fold (a line that begins with a blank), a blank before the colon and a bare LF.
      if (buffer[pos] !== COLON || pos === nameStart) return MALFORMED
      const nameEnd = pos++
      while (pos < end && (buffer[pos] === SP || buffer[pos] === HTAB)) pos++
      const valueStart = pos
      pos = skipPlain(view, pos, end)
      while (pos < end && VALUE[buffer[pos] as number] === 1) pos++
      if (pos >= end) return INCOMPLETE
      if (buffer[pos] !== CR) return MALFORMED
      if (pos + 1 >= end) return INCOMPLETE
      if (buffer[pos + 1] !== LF) return MALFORMED
      let valueEnd = pos
      while (valueEnd > valueStart && (buffer[valueEnd - 1] === SP || buffer[valueEnd - 1] === HTAB))
        valueEnd--
      pos += 2
      if (count === MAX_FIELDS) return TOO_MANY
      const slot = count * 4
      this.#at[slot] = nameStart
      this.#at[slot + 1] = nameEnd
      this.#at[slot + 2] = valueStart
      this.#at[slot + 3] = valueEnd
      this.#id[count++] = identify(buffer, nameStart, nameEnd - nameStart)
    }
  }

  #viewOf(buffer: Buffer): DataView {
    if (this.#viewed !== buffer) {
      this.#viewed = buffer
      this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
    }
    return this.#view
  }

  /** Lets go of the buffer; the table is empty afterwards. */
  release(): void {
    this.buffer = EMPTY
    this.count = 0
    // The transport's own buffer comes again; a piece of another one would keep all of that alive.
    if (this.#viewed.length < this.#viewed.buffer.byteLength) {
      this.#viewed = EMPTY
      this.#view = NO_VIEW
    }
  }

  id(index: number): number {
    return this.#id[index] as number
  }
  nameStart(index: number): number {
    return this.#at[index * 4] as number
  }
  nameLength(index: number): number {
    return (this.#at[index * 4 + 1] as number) - (this.#at[index * 4] as number)
  }
  valueStart(index: number): number {
    return this.#at[index * 4 + 2] as number
  }
  valueEnd(index: number): number {
    return this.#at[index * 4 + 3] as number
  }
  /** The offset behind the CRLF of a field line. */
  lineEnd(index: number): number {
    return index + 1 < this.count ? this.nameStart(index + 1) : this.sectionEnd
  }
  name(index: number): string {
    return this.buffer.toString('latin1', this.nameStart(index), this.#at[index * 4 + 1] as number)
  }
  value(index: number): string {
    return this.buffer.toString('latin1', this.valueStart(index), this.valueEnd(index))
  }

  /** Index of the first field of that id from `from` on, -1 if there is none. */
  find(id: number, from = 0): number {
    for (let index = from; index < this.count; index++) if (this.#id[index] === id) return index
    return -1
  }

  /** The values of a field by lower-case name, several joined by ", " (RFC 9110 §5.3); undefined if absent. */
  get(lowerName: string): string | undefined {
    let found: string | undefined
    for (let index = 0; index < this.count; index++) {
      if (!this.#nameIs(index, lowerName)) continue
      found = found === undefined ? this.value(index) : `${found}, ${this.value(index)}`
    }
    return found
  }

  #nameIs(index: number, lowerName: string): boolean {
    const length = lowerName.length
    if (this.nameLength(index) !== length) return false
    const start = this.nameStart(index)
    for (let at = 0; at < length; at++) {
      const byte = this.buffer[start + at] as number
      const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
      if (lower !== lowerName.charCodeAt(at)) return false
    }
    return true
  }

  /** True if a field value equals a lower-case ASCII word, letters in any case. */
  valueIs(index: number, lowerWord: string): boolean {
    const start = this.valueStart(index)
    if (this.valueEnd(index) - start !== lowerWord.length) return false
    for (let at = 0; at < lowerWord.length; at++) {
      if (((this.buffer[start + at] as number) | 0x20) !== lowerWord.charCodeAt(at)) return false
    }
    return true
  }
}
