import { Code, H2Fault } from './fault.ts'
import { STATIC, TABLE_SIZE } from './hpack-tables.ts'
import { decodeHuffman } from './huffman.ts'

/** RFC 7541 §4.1: what an entry counts beside its bytes. */
const OVERHEAD = 32
/** Entries that are no more are swept out when there are so many. */
const MOST_DEAD = 256
/** The largest number (length, index, size) that means anything here. */
const MOST = 1 << 21

type Field = readonly [name: string, value: string]
export type Fields = readonly Field[]

/** Header blocks of one connection (RFC 7541); our SETTINGS leave the table's size as it is. A fault ends the connection, as the tables would differ from then on. */
export class HpackDecoder {
  /** Newest last; those before `#oldest` are no more. */
  #entries: Field[] = []
  #oldest = 0
  #size = 0
  #limit = TABLE_SIZE
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0

  /** The fields of a block, or undefined if they are larger than `limit` bytes; the tables are kept either way. */
  decode(block: Buffer, limit: number): Field[] | undefined {
    this.#buffer = block
    this.#at = 0
    const fields: Field[] = []
    let size = 0
    while (this.#at < block.length) {
      const field = this.#next(block[this.#at] as number, { first: size === 0 && fields.length === 0 })
      if (field === undefined) continue
      size += field[0].length + field[1].length + OVERHEAD
      if (size <= limit) fields.push(field)
    }
    return size <= limit ? fields : undefined
  }

  /** One representation, RFC 7541 §6; undefined for one that is no field. */
  #next(octet: number, { first }: { readonly first: boolean }): Field | undefined {
    if (octet >= 0x80) return this.#entry(this.#number(7))
    if (octet >= 0x40) {
      const field = this.#literal(6)
      this.#insert(field)
      return field
    }
    if (octet >= 0x20) {
      if (!first) throw compression('table size changes inside a block')
      const limit = this.#number(5)
      if (limit > TABLE_SIZE) throw compression('table larger than allowed')
      this.#limit = limit
      this.#evict(0)
      return undefined
    }
    return this.#literal(4)
  }

  #literal(bits: number): Field {
    const index = this.#number(bits)
    const name = index === 0 ? this.#text() : this.#entry(index)[0]
    return [name, this.#text()]
  }

  #entry(index: number): Field {
    if (index <= STATIC.length) {
      const field = STATIC[index - 1]
      if (field !== undefined) return field
    }
    const at = this.#entries.length - (index - STATIC.length)
    const field = at >= this.#oldest ? this.#entries[at] : undefined
    if (field === undefined) throw compression('no entry of that index')
    return field
  }

  #insert(field: Field): void {
    const size = field[0].length + field[1].length + OVERHEAD
    this.#evict(size)
    if (size > this.#limit) return
    this.#entries.push(field)
    this.#size += size
  }

  /** Drops the oldest entries until there is room. */
  #evict(room: number): void {
    const entries = this.#entries
    while (this.#size + room > this.#limit && this.#oldest < entries.length) {
      const [name, value] = entries[this.#oldest++] as Field
      this.#size -= name.length + value.length + OVERHEAD
    }
    if (this.#oldest < MOST_DEAD) return
    this.#entries = entries.slice(this.#oldest)
    this.#oldest = 0
  }

  /** An integer with a prefix of so many bits, RFC 7541 §5.1. */
  #number(bits: number): number {
    const most = (1 << bits) - 1
    let value = this.#octet() & most
    if (value < most) return value
    for (let shift = 0; shift <= 21; shift += 7) {
      const octet = this.#octet()
      value += (octet & 0x7f) << shift
      if (octet < 0x80) {
        if (value > MOST) break
        return value
      }
    }
    throw compression('number too large')
  }

  #octet(): number {
    const octet = this.#buffer[this.#at++]
    if (octet === undefined) throw compression('block ends too early')
    return octet
  }

  /** A string literal, RFC 7541 §5.2. */
  #text(): string {
    const coded = ((this.#buffer[this.#at] ?? 0) & 0x80) !== 0
    const length = this.#number(7)
    const start = this.#at
    const end = start + length
    if (end > this.#buffer.length) throw compression('text ends too late')
    this.#at = end
    const text = coded ? decodeHuffman(this.#buffer, start, end) : this.#buffer.toString('latin1', start, end)
    if (text === undefined) throw compression('malformed Huffman code')
    return text
  }
}

function compression(message: string): H2Fault {
  return new H2Fault(Code.compression, message)
}
