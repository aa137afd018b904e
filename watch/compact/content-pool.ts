import { hashOf, sameBytes } from './byte-hash.ts'

/**
 * Decodes bytes, giving the same value for the same bytes again: the labels and the template of a Pod are those of
 * its neighbours. Bounded: a slot per hash, the last content wins, and what is long is not kept.
 */
export class ContentPool<T> {
  readonly #keys: (string | undefined)[]
  readonly #values: (T | undefined)[]
  readonly #mask: number
  readonly #longest: number

  /** `slots`: a power of two; `longest`: in bytes. */
  constructor({ slots, longest }: { slots: number; longest: number }) {
    this.#keys = new Array(slots).fill(undefined)
    this.#values = new Array(slots).fill(undefined)
    this.#mask = slots - 1
    this.#longest = longest
  }

  read(
    bytes: Buffer,
    start: number,
    end: number,
    decode: (bytes: Buffer, start: number, end: number) => T,
  ): T {
    if (end - start > this.#longest) return decode(bytes, start, end)
    const slot = hashOf(bytes, start, end) & this.#mask
    const key = this.#keys[slot]
    const known = this.#values[slot]
    if (known !== undefined && key !== undefined && sameBytes(key, bytes, start, end)) return known
    const value = decode(bytes, start, end)
    this.#keys[slot] = bytes.toString('latin1', start, end)
    this.#values[slot] = value
    return value
  }
}
