import { type AddressRun, shuffleInPlace } from '../core/address-run.ts'
import type { Freshness } from '../core/freshness.ts'
import type { Repeat } from '../core/plugin.ts'

/** What is longer takes the ordinary way. */
const maxQuery = 128
const maxAnswer = 512
const entrySize = maxQuery + maxAnswer
/** header and the shortest question */
const minQuery = 17

const sets = 1 << 14
/** entries a query may be in; the older of them is replaced */
const ways = 2
const entries = sets * ways

/** An answer that may be given to the same octets again. */
export interface Repeatable {
  readonly query: Uint8Array
  readonly family: 4 | 6
  readonly answer: Uint8Array
  readonly freshness: Freshness
  /** addresses to shuffle each time */
  readonly addresses: AddressRun | undefined
  /** what the plugins of the chain do each time */
  readonly effects: readonly Repeat[]
}

/**
 * Answers by the octets of their queries (all but the id), for queries over UDP: who asks what was asked before gets the
 * same octets without a turn of the chain, and nothing is allocated for it. A fixed amount of memory, touched as it
 * fills; a new answer takes the place of another one of its set.
 */
export class RepeatTable {
  readonly #arena = Buffer.allocUnsafeSlow(entries * entrySize)
  readonly #hashes = new Int32Array(entries)
  readonly #queryLengths = new Uint8Array(entries)
  readonly #answerLengths = new Uint16Array(entries)
  readonly #freshness = new Array<Freshness | undefined>(entries).fill(undefined)
  readonly #effects = new Array<readonly Repeat[]>(entries).fill([])
  readonly #runs = new Array<AddressRun | undefined>(entries).fill(undefined)
  /** which entry of a set to replace next */
  readonly #turns = new Uint8Array(sets)

  put(answer: Repeatable): void {
    const { query, family } = answer
    if (query.length > maxQuery || query.length < minQuery || answer.answer.length > maxAnswer) return
    const hash = hashOf(query, 0, query.length, family)
    const set = hash & (sets - 1)
    let entry = this.#find(query, 0, query.length, hash)
    if (entry < 0) {
      const turn = this.#turns[set] as number
      this.#turns[set] = (turn + 1) % ways
      entry = set * ways + turn
    }
    this.#hashes[entry] = hash
    this.#queryLengths[entry] = query.length
    this.#answerLengths[entry] = answer.answer.length
    this.#freshness[entry] = answer.freshness
    this.#effects[entry] = answer.effects
    this.#runs[entry] = answer.addresses
    this.#arena.set(query, entry * entrySize)
    this.#arena.set(answer.answer, entry * entrySize + maxQuery)
  }

  /**
   * Writes the answer to the query at `offset` of `octets` into `out` at `at`, and does what goes with it. Returns its
   * length, 0 if it is not known. `now` is performance.now() of about now.
   */
  answer(
    octets: Buffer,
    offset: number,
    length: number,
    family: 4 | 6,
    now: number,
    out: Buffer,
    at: number,
  ): number {
    if (length > maxQuery || length < minQuery) return 0
    const entry = this.#find(octets, offset, length, hashOf(octets, offset, length, family))
    if (entry < 0) return 0
    const freshness = this.#freshness[entry]
    if (freshness === undefined || freshness.stale || freshness.until <= now) {
      this.#freshness[entry] = undefined
      this.#queryLengths[entry] = 0
      return 0
    }
    const size = this.#answerLengths[entry] as number
    const start = entry * entrySize + maxQuery
    this.#arena.copy(out, at, start, start + size)
    out[at] = octets[offset] as number
    out[at + 1] = octets[offset + 1] as number
    const run = this.#runs[entry]
    if (run !== undefined) shuffleInPlace(out, run, at)
    const effects = this.#effects[entry] as readonly Repeat[]
    for (let i = 0; i < effects.length; i += 1) (effects[i] as Repeat)()
    return size
  }

  #find(octets: Uint8Array, offset: number, length: number, hash: number): number {
    const first = (hash & (sets - 1)) * ways
    for (let entry = first; entry < first + ways; entry += 1) {
      if (
        this.#hashes[entry] === hash &&
        this.#queryLengths[entry] === length &&
        this.#same(octets, offset, length, entry)
      )
        return entry
    }
    return -1
  }

  #same(octets: Uint8Array, offset: number, length: number, entry: number): boolean {
    const arena = this.#arena
    const start = entry * entrySize
    for (let i = 2; i < length; i += 1) if (octets[offset + i] !== arena[start + i]) return false
    return true
  }
}

/** FNV-1a over everything but the id. The family counts, too: metrics tell them apart. */
function hashOf(octets: Uint8Array, offset: number, length: number, family: 4 | 6): number {
  let hash = family === 4 ? 0x811c9dc5 : 0x01000193
  const end = offset + length
  for (let i = offset + 2; i < end; i += 1) hash = Math.imul(hash ^ (octets[i] as number), 0x01000193)
  return hash ^ (hash >>> 15)
}
