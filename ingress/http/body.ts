import { CR, HEX, LF, VALUE } from './chars.ts'
import { FieldTable } from './fields.ts'

export type BodyKind = 'none' | 'length' | 'chunked' | 'close'

const SIZE = 0
const EXTENSION = 1
const SIZE_LF = 2
const DATA = 3
const DATA_CR = 4
const DATA_LF = 5
const TRAILER = 6

const MAX_SIZE_DIGITS = 13
const MAX_EXTENSION = 256
const MAX_TRAILER = 8192
const SEMICOLON = 0x3b

/**
 * Takes a message body apart (RFC 9112 §6, §7.1). `next` consumes bytes and leaves at most one piece of content in
 * `dataStart`..`dataEnd`; the caller loops until its buffer is used up or `done`. The framing never leaves the reader: what
 * is passed on is framed anew, so nobody behind us reads the lengths differently than we did.
 */
export class BodyReader {
  kind: BodyKind = 'none'
  done = true
  failed = false
  dataStart = 0
  dataEnd = 0
  /** Content bytes still expected: of the whole body ('length') or of the current chunk. */
  remaining = 0
  trailers: FieldTable | undefined
  #state = SIZE
  #digits = 0
  #extension = 0
  #trailer: Buffer | undefined

  start(kind: BodyKind, length: number): void {
    this.kind = kind
    this.remaining = kind === 'length' ? length : 0
    this.done = kind === 'none' || (kind === 'length' && length === 0)
    this.failed = false
    this.trailers = undefined
    this.#state = SIZE
    this.#digits = 0
    this.#extension = 0
    this.#trailer = undefined
  }

  /** Consumes from `pos`; returns the new position. Content found is in dataStart..dataEnd (equal if there is none). */
  next(buffer: Buffer, pos: number, end: number): number {
    this.dataStart = this.dataEnd = pos
    if (this.kind === 'chunked') return this.#chunked(buffer, pos, end)
    if (this.kind === 'close') {
      this.dataEnd = end
      return end
    }
    const take = Math.min(this.remaining, end - pos)
    this.remaining -= take
    this.dataEnd = pos + take
    if (this.remaining === 0) this.done = true
    return pos + take
  }

  #fail(pos: number): number {
    this.failed = true
    this.dataStart = this.dataEnd = pos
    return pos
  }

  #chunked(buffer: Buffer, pos: number, end: number): number {
    while (pos < end) {
      const byte = buffer[pos] as number
      switch (this.#state) {
        case SIZE: {
          const digit = HEX[byte] as number
          if (digit < 16) {
            if (++this.#digits > MAX_SIZE_DIGITS) return this.#fail(pos)
            this.remaining = this.remaining * 16 + digit
            pos++
            break
          }
          if (this.#digits === 0) return this.#fail(pos)
          this.#digits = 0
          if (byte === CR) this.#state = SIZE_LF
          else if (byte === SEMICOLON) this.#state = EXTENSION
          else return this.#fail(pos)
          pos++
          break
        }
        case EXTENSION:
          if (byte === CR) this.#state = SIZE_LF
          else if (VALUE[byte] !== 1 || ++this.#extension > MAX_EXTENSION) return this.#fail(pos)
          pos++
          break
        case SIZE_LF:
          if (byte !== LF) return this.#fail(pos)
          this.#state = this.remaining === 0 ? TRAILER : DATA
          pos++
          break
        case DATA: {
          const take = Math.min(this.remaining, end - pos)
          this.remaining -= take
          this.dataStart = pos
          this.dataEnd = pos + take
          if (this.remaining === 0) this.#state = DATA_CR
          return pos + take
        }
        case DATA_CR:
          if (byte !== CR) return this.#fail(pos)
          this.#state = DATA_LF
          pos++
          break
        case DATA_LF:
          if (byte !== LF) return this.#fail(pos)
          this.#state = SIZE
          this.#extension = 0
          pos++
          break
        default:
          return this.#readTrailer(buffer, pos, end)
      }
    }
    this.dataStart = this.dataEnd = pos
    return pos
  }

  #readTrailer(buffer: Buffer, pos: number, end: number): number {
    const held = this.#trailer
    if (held === undefined && pos + 1 < end && buffer[pos] === CR && buffer[pos + 1] === LF) {
      this.done = true
      this.dataStart = this.dataEnd = pos + 2
      return pos + 2
    }
    // A copy in any case: the rest, and whoever reads the trailers, may come when others have been read into the buffer.
    const arrived = buffer.subarray(pos, end)
    const section = held === undefined ? Buffer.from(arrived) : Buffer.concat([held, arrived])
    const table = new FieldTable()
    const after = table.parseFields(section, 0, section.length)
    if (after < -1 || (after === -1 && section.length > MAX_TRAILER)) return this.#fail(pos)
    if (after === -1) {
      this.#trailer = section
      this.dataStart = this.dataEnd = end
      return end
    }
    if (table.count > 0) this.trailers = table
    this.done = true
    const next = pos + after - (held?.length ?? 0)
    this.dataStart = this.dataEnd = next
    return next
  }
}
