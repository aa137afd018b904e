/** value -> set of keys, where most values have a single key: kept without a Set until a second comes. */
export class IndexMap {
  readonly #entries = new Map<string, string | Set<string>>()

  get size(): number {
    return this.#entries.size
  }

  add(value: string, key: string): void {
    const entry = this.#entries.get(value)
    if (entry === undefined) this.#entries.set(value, key)
    else if (typeof entry !== 'string') entry.add(key)
    else if (entry !== key) this.#entries.set(value, new Set([entry, key]))
  }

  remove(value: string, key: string): void {
    const entry = this.#entries.get(value)
    if (entry === undefined) return
    if (typeof entry === 'string') {
      if (entry === key) this.#entries.delete(value)
      return
    }
    entry.delete(key)
    if (entry.size === 0) this.#entries.delete(value)
  }

  /** Number of keys under a value. */
  count(value: string): number {
    const entry = this.#entries.get(value)
    if (entry === undefined) return 0
    return typeof entry === 'string' ? 1 : entry.size
  }

  get(value: string): Iterable<string> {
    const entry = this.#entries.get(value)
    if (entry === undefined) return []
    return typeof entry === 'string' ? [entry] : entry
  }
}
