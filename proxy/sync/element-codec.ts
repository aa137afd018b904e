import type { NftElement, NftVerdict, PackedElement } from '#netlink'
import type { Bytes } from '../model/bytes.ts'
import type { ElementData, ElementKey, SetShape } from '../model/sets.ts'

/** Buffers by length, each for one value at a time. */
class Scratch {
  readonly #byLength: Uint8Array[] = []

  /** The bytes of a latin1 string from an offset on. */
  bytesOf(text: Bytes, offset: number): Uint8Array {
    const length = text.length - offset
    let bytes = this.#byLength[length]
    if (bytes === undefined) this.#byLength[length] = bytes = new Uint8Array(length)
    for (let index = 0; index < length; index++) bytes[index] = text.charCodeAt(offset + index)
    return bytes
  }
}

const keys = new Scratch()
const keyEnds = new Scratch()
const values = new Scratch()

/**
 * An element as the netlink layer wants it. It is made into bytes only when it is written, in buffers that all elements share:
 * 10^5 elements as arrays of their own cost more than the commit. So what `key`, `keyEnd` and `data` return holds only until
 * they are asked for of another element.
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
    return keys.bytesOf(this.#key, 1)
  }

  get keyEnd(): Uint8Array | undefined {
    return this.#shape.interval ? keyEnds.bytesOf(this.#data, 0) : undefined
  }

  get data(): Uint8Array | NftVerdict | undefined {
    const { data, interval } = this.#shape
    if (data === 'verdict') return verdictOf(this.#data)
    if (data === undefined || interval) return undefined
    return values.bytesOf(this.#shape.commented ? this.#data.slice(0, valueLength(data)) : this.#data, 0)
  }

  get comment(): string | undefined {
    return commentIn(this.#shape, this.#data)
  }
}

/** The comment of an element, undefined in sets whose elements have none. */
export function commentIn({ data, commented }: SetShape, element: ElementData): string | undefined {
  return commented ? element.slice(valueLength(data)) : undefined
}

/** The data of an element of a dump, as ours are. */
export function dataOf(shape: SetShape, element: PackedElement): ElementData {
  if (shape.interval) return element.keyEnd === '' ? element.key : element.keyEnd
  return (
    (shape.data === 'verdict' ? element.verdict : element.data) + (shape.commented ? element.comment : '')
  )
}

/** Length of the value in front of a comment: commented maps have marks for values. */
function valueLength(data: SetShape['data']): number {
  return data === undefined ? 0 : 4
}

function verdictOf(data: ElementData): NftVerdict {
  // Anything else is not ours, and about to be deleted.
  return data.startsWith('goto ') ? { verdict: 'goto', chain: data.slice(5) } : { verdict: 'drop' }
}
