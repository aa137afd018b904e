/** Something with a point in time (performance.now) by which it must have made progress; Infinity for none. */
export interface Timed {
  deadline: number
  onDeadline(): void
}

const TICK_MS = 50

/**
 * All timeouts of the engine: one timer looks at every open connection, instead of a timer armed and disarmed several
 * times per request. Precision is one tick; arming is one store into a field.
 */
export class Deadlines {
  /** performance.now() of the last tick: exact enough for timeouts, and free to read. */
  now = performance.now()
  readonly #timed = new Set<Timed>()
  #timer: NodeJS.Timeout | undefined

  add(timed: Timed): void {
    this.#timed.add(timed)
    if (this.#timer !== undefined) return
    this.now = performance.now()
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  remove(timed: Timed): void {
    this.#timed.delete(timed)
    if (this.#timed.size > 0 || this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #tick(): void {
    const now = performance.now()
    this.now = now
    for (const timed of this.#timed) {
      if (timed.deadline > now) continue
      timed.deadline = Number.POSITIVE_INFINITY
      timed.onDeadline()
    }
  }
}
