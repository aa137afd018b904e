import { WireError } from './errors.ts'
import { asciiLower, nameLabels, splitName } from './name.ts'

/** Octets of a message under construction, with the names written so far for compression. Throws WireError when full. */
export class Writer {
  readonly buffer: Buffer
  length = 0
  /** lower-case suffix -> offset; pointers reach 14 bits */
  readonly #suffixes = new Map<string, number>()

  readonly #compress: boolean

  /** `compress: false` writes every name in full (DNSSEC signs records in that form). */
  constructor(buffer: Buffer, options: { compress?: boolean } = {}) {
    this.buffer = buffer
    this.#compress = options.compress ?? true
  }

  /** Forgets what was written at and after `length`, names included. */
  rewind(length: number): void {
    for (const [suffix, offset] of this.#suffixes) if (offset >= length) this.#suffixes.delete(suffix)
    this.length = length
  }

  #reserve(octets: number): number {
    const at = this.length
    if (at + octets > this.buffer.length) throw new WireError('DNS_WIRE_SHORT', 'message does not fit', at)
    this.length = at + octets
    return at
  }

  u8(value: number): void {
    this.buffer[this.#reserve(1)] = value
  }

  u16(value: number): void {
    const at = this.#reserve(2)
    this.buffer[at] = value >> 8
    this.buffer[at + 1] = value
  }

  u32(value: number): void {
    const at = this.#reserve(4)
    this.buffer.writeUInt32BE(value >>> 0, at)
  }

  bytes(octets: Uint8Array): void {
    this.buffer.set(octets, this.#reserve(octets.length))
  }

  /** A character string of at most 255 octets. */
  text(text: string): void {
    if (text.length > 255)
      throw new WireError('DNS_WIRE_VALUE', 'a character string holds at most 255 octets')
    this.u8(text.length)
    for (let i = 0; i < text.length; i += 1) {
      const octet = text.charCodeAt(i)
      if (octet > 255) throw new WireError('DNS_WIRE_VALUE', 'a character string holds octets only')
      this.u8(octet)
    }
  }

  /** A name. Compressed names match in any case, so an owner takes over the letter case of the question. */
  name(name: string, options: { compress: boolean }): void {
    const labels = nameLabels(name)
    const written = splitName(asciiLower(name.endsWith('.') || name === '' ? name : `${name}.`))
    for (let i = 0; i < labels.length; i += 1) {
      const label = labels[i] as Uint8Array
      const suffix = written.slice(i).join('.')
      const known = this.#suffixes.get(suffix)
      if (known !== undefined && options.compress && this.#compress) {
        this.u16(0xc000 | known)
        return
      }
      if (known === undefined && this.length < 0x4000) this.#suffixes.set(suffix, this.length)
      this.u8(label.length)
      this.bytes(label)
    }
    this.u8(0)
  }
}

/** Octets of a name in full. */
export function nameOctets(name: string): Buffer {
  const writer = new Writer(Buffer.alloc(255), { compress: false })
  writer.name(name, { compress: false })
  return writer.buffer.subarray(0, writer.length)
}
