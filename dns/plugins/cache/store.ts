import type { Freshness } from '../../core/freshness.ts'
import type { Reply } from '../../core/reply.ts'

/** An answer that is kept. */
export interface CacheItem {
  readonly reply: Reply
  /** seconds */
  readonly ttl: number
  /** ms of performance.now() when it came */
  readonly stored: number
  /** hits since `lastHit` came with gaps shorter than the prefetch window */
  hits: number
  lastHit: number
  /** ms of performance.now() before which a stale item is not asked for again */
  nextRefresh: number
  /** of the answer with the TTL it shows now; undefined until somebody asked */
  freshness: Freshness | undefined
}

/**
 * Answers by name, then by type and flags, so that all of a name can be dropped at once. When it is full, the names that
 * went in first go.
 */
export class CacheStore {
  readonly #capacity: number
  readonly #names = new Map<string, Map<number, CacheItem>>()
  readonly #onEvict: () => void
  #size = 0

  constructor(capacity: number, onEvict: () => void = () => undefined) {
    this.#capacity = capacity
    this.#onEvict = onEvict
  }

  get size(): number {
    return this.#size
  }

  get(name: string, key: number): CacheItem | undefined {
    return this.#names.get(name)?.get(key)
  }

  put(name: string, key: number, item: CacheItem): void {
    let items = this.#names.get(name)
    if (items === undefined) {
      items = new Map()
      this.#names.set(name, items)
    }
    const before = items.get(key)
    if (before === undefined) this.#size += 1
    else expire(before)
    items.set(key, item)
    while (this.#size > this.#capacity) this.#evict()
  }

  delete(name: string, key: number): void {
    const items = this.#names.get(name)
    const item = items?.get(key)
    if (items === undefined || item === undefined) return
    items.delete(key)
    expire(item)
    this.#size -= 1
    if (items.size === 0) this.#names.delete(name)
  }

  /** Drops everything about a name. */
  forget(name: string): void {
    const items = this.#names.get(name)
    if (items === undefined) return
    this.#size -= items.size
    for (const item of items.values()) expire(item)
    this.#names.delete(name)
  }

  #evict(): void {
    for (const [name, items] of this.#names) {
      this.#size -= items.size
      for (const item of items.values()) expire(item)
      this.#names.delete(name)
      for (let i = 0; i < items.size; i += 1) this.#onEvict()
      return
    }
  }
}

/** What was answered with it is not given again. */
function expire(item: CacheItem): void {
  if (item.freshness !== undefined) item.freshness.stale = true
}
