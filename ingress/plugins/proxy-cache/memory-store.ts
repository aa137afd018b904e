import type { CachedAnswer, CacheStore } from './store.ts'

// What an entry costs beside its body: head, key, map slots.
const OVERHEAD = 1024

/** Answers in memory up to a number of bytes; the ones not asked for longest go first. */
export class MemoryStore implements CacheStore {
  readonly #limit: number
  readonly #answers = new Map<string, CachedAnswer>()
  #size = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#size
  }

  get(key: string): CachedAnswer | undefined {
    const answer = this.#answers.get(key)
    if (answer === undefined) return undefined
    this.#answers.delete(key)
    this.#answers.set(key, answer)
    return answer
  }

  set(key: string, answer: CachedAnswer): void {
    this.delete(key)
    const cost = answer.body.length + OVERHEAD
    if (cost > this.#limit) return
    for (const oldest of this.#answers.keys()) {
      if (this.#size + cost <= this.#limit) break
      this.delete(oldest)
    }
    this.#answers.set(key, answer)
    this.#size += cost
  }

  delete(key: string): boolean {
    const answer = this.#answers.get(key)
    if (answer === undefined) return false
    this.#answers.delete(key)
    this.#size -= answer.body.length + OVERHEAD
    return true
  }
}
