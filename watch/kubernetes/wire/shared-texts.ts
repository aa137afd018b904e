import { hashOf, sameBytes } from '../../compact/byte-hash.ts'

const slots = 1 << 13
const longest = 64

/**
 * Turns bytes into strings, giving the same string for the same bytes again: names of nodes, zones,
 * kinds and label keys repeat in every object. Bounded: a slot per hash, the last text wins.
 */
export class SharedTexts {
  readonly #texts: (string | undefined)[] = new Array(slots).fill(undefined)

  read(bytes: Buffer, start: number, end: number): string {
    if (start === end) return ''
    if (end - start > longest) return bytes.toString('utf8', start, end)
    const slot = hashOf(bytes, start, end) & (slots - 1)
    const known = this.#texts[slot]
    if (known !== undefined && sameBytes(known, bytes, start, end)) return known
    const text = bytes.toString('utf8', start, end)
    // Only of ASCII can characters be compared with bytes.
    if (text.length === end - start) this.#texts[slot] = text
    return text
  }
}
