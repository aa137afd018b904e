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
    if (!items.has(key)) this.#size += 1
    items.set(key, item)
    while (this.#size > this.#capacity) this.#evict()
  }

  delete(name: string, key: number): void {
    const items = this.#names.get(name)
    if (items?.delete(key) !== true) return
    this.#size -= 1
    if (items.size === 0) this.#names.delete(name)
  }

  /** Drops everything about a name. */
  forget(name: string): void {
    this.#size -= this.#names.get(name)?.size ?? 0
    this.#names.delete(name)
  }

  #evict(): void {
    for (const [name, items] of this.#names) {
      this.#size -= items.size
      this.#names.delete(name)
      for (let i = 0; i < items.size; i += 1) this.#onEvict()
      return
    }
  }
}
