import type { NftElement, NftVerdict, PackedElement } from '#netlink'
import { toBuffer } from '../model/bytes.ts'
import type { ElementData, ElementKey, SetShape } from '../model/sets.ts'

/** `drop` as the kernel numbers it (NF_DROP). */
const DROP = '0'

/**
 * An element as the netlink layer wants it. It is made into bytes only when it is written, so that a batch of 10^5 elements does
 * not exist as arrays all at once: that cost more than the commit.
 */
export class OutgoingElement implements NftElement {
  readonly #shape: SetShape
  readonly #key: ElementKey
  readonly #data: ElementData

  constructor(shape: SetShape, key: ElementKey, data: ElementData) {
    this.#shape = shape
    this.#key = key
    this.#data = data
  }

  get key(): Uint8Array {
    return toBuffer(this.#key.slice(1))
  }

  get keyEnd(): Uint8Array | undefined {
    return this.#shape.interval ? toBuffer(this.#data) : undefined
  }

  get data(): Uint8Array | NftVerdict | undefined {
    const { data, interval } = this.#shape
    if (data === 'verdict') return verdictOf(this.#data)
    return data === undefined || interval ? undefined : toBuffer(this.#data)
  }

  get comment(): string | undefined {
    return this.#shape.data === 'verdict'
      ? this.#data.slice(this.#data.indexOf('\0') + 1) || undefined
      : undefined
  }
}

/** The data of an element of a dump, as ours are. */
export function dataOf(shape: SetShape, element: PackedElement): ElementData {
  if (shape.interval) return element.keyEnd === '' ? element.key : element.keyEnd
  if (shape.data !== 'verdict') return element.data
  return `${element.verdict === DROP ? 'drop' : element.verdict}\0${element.comment}`
}

function verdictOf(data: ElementData): NftVerdict {
  return data.startsWith('goto ')
    ? { verdict: 'goto', chain: data.slice(5, data.indexOf('\0')) }
    : { verdict: 'drop' }
}
