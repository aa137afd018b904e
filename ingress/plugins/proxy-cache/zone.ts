import { monotonicNow, type RecordSpace } from '../../sharing/index.ts'
import type { CachedAnswer, CacheStore } from './store.ts'

/** When an answer was last stored, and last purged, by any process: ms since 1970. */
const STORED = 0
const PURGED = 1

/** A cache zone: a store of this process, and what all processes know of its keys, so that PURGE counts for all of them. */
export class Zone {
  readonly #store: CacheStore
  readonly #keys: RecordSpace

  constructor(store: CacheStore, keys: RecordSpace) {
    this.#store = store
    this.#keys = keys
  }

  get(key: string): CachedAnswer | undefined | Promise<CachedAnswer | undefined> {
    const found = this.#store.get(key)
    return found instanceof Promise ? found.then((one) => this.#current(key, one)) : this.#current(key, found)
  }

  #current(key: string, answer: CachedAnswer | undefined): CachedAnswer | undefined {
    if (answer === undefined) return undefined
    return answer.storedAt > this.#keys.records.peek(this.#keys.key(key), PURGED) ? answer : undefined
  }

  set(key: string, answer: CachedAnswer): void {
    this.#store.set(key, answer)
    this.#keys.update(key, (record) => {
      record.set(STORED, Math.max(answer.storedAt, record.get(STORED)))
      record.expiresAt = Math.max(record.expiresAt, monotonicNow() + answer.freshUntil - Date.now())
    })
  }

  /** True if some process had an answer. */
  async purge(key: string): Promise<boolean> {
    // One that was there before the processes were is not in the records.
    const found = await this.get(key)
    const now = Date.now()
    const known = this.#keys.update(key, (record) => {
      const stored = record.get(STORED) > record.get(PURGED)
      record.set(PURGED, now)
      return stored
    })
    await this.#store.delete(key)
    return known || found !== undefined
  }
}
