const slots = 1 << 13
const longest = 64

/**
 * Turns bytes into strings, giving the same string for the same bytes again: names of nodes, zones,
 * kinds and label keys repeat in every object. Bounded: a slot per hash, the last text wins.
 */
export class SharedTexts {
  readonly #texts: (string | undefined)[] = new Array(slots).fill(undefined)

  read(bytes: Buffer, start: number, end: number): string {
    const length = end - start
    if (length === 0) return ''
    if (length > longest) return bytes.toString('utf8', start, end)
    let hash = length
    let high = 0
    for (let index = start; index < end; index++) {
      const byte = bytes[index] ?? 0
      hash = (Math.imul(hash, 31) + byte) | 0
      high |= byte
    }
    // Only ASCII is shared: then characters can be compared with bytes.
    if (high >= 0x80) return bytes.toString('utf8', start, end)
    const slot = (hash ^ (hash >>> 13)) & (slots - 1)
    const known = this.#texts[slot]
    if (known !== undefined && known.length === length && equals(known, bytes, start)) return known
    const text = bytes.toString('latin1', start, end)
    this.#texts[slot] = text
    return text
  }
}

function equals(text: string, bytes: Buffer, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false
  }
  return true
}
