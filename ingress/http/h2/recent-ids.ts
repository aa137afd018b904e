const KEPT = 128

/** The streams reset lately: what the client sent on them before it knew is no fault. */
export class RecentIds {
  readonly #ids = new Set<number>()

  add(id: number): void {
    this.#ids.add(id)
    if (this.#ids.size <= KEPT) return
    for (const oldest of this.#ids.values().take(1)) this.#ids.delete(oldest)
  }

  has(id: number): boolean {
    return this.#ids.has(id)
  }
}
