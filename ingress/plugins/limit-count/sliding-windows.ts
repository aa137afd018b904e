import type { Counter, Usage } from './counter.ts'

interface Pair {
  /** Number of the window, counted from 1970. */
  window: number
  current: number
  previous: number
  windowMs: number
}

const SWEEP_AT = 10_000

/**
 * Sliding windows by two counters: the part of the window before that still counts, plus the current one. What is refused
 * is not counted, so that a client that keeps knocking gets in again.
 */
export class SlidingWindows implements Counter {
  readonly #pairs = new Map<string, Pair>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  get size(): number {
    return this.#pairs.size
  }

  count(key: string, windowMs: number, limit: number): Usage {
    const now = this.#now()
    const window = Math.floor(now / windowMs)
    const into = now - window * windowMs
    let pair = this.#pairs.get(key)
    if (pair === undefined) {
      if (this.#pairs.size >= SWEEP_AT) this.#sweep(now)
      pair = { window, current: 0, previous: 0, windowMs }
      this.#pairs.set(key, pair)
    } else if (pair.window !== window) {
      pair.previous = pair.window === window - 1 ? pair.current : 0
      pair.current = 0
      pair.window = window
    }
    const count = pair.previous * (1 - into / windowMs) + pair.current + 1
    if (count <= limit) pair.current++
    return { count, resetMs: windowMs - into }
  }

  #sweep(now: number): void {
    for (const [key, { window, windowMs }] of this.#pairs)
      if ((window + 2) * windowMs <= now) this.#pairs.delete(key)
  }
}
