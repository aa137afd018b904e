import { monotonicNow, type RecordSpace } from '../../sharing/index.ts'
import type { Counter, Usage } from './counter.ts'

/** Number of the window, counted on the clock; what was counted in it and in the one before. */
const WINDOW = 0
const CURRENT = 1
const PREVIOUS = 2

/**
 * Sliding windows by two counters: the part of the window before that still counts, plus the current one. What is refused
 * is not counted, so that a client that keeps knocking gets in again. Common to all processes.
 */
export class SlidingWindows implements Counter {
  readonly #pairs: RecordSpace
  readonly #now: () => number

  constructor(pairs: RecordSpace, now: () => number = monotonicNow) {
    this.#pairs = pairs
    this.#now = now
  }

  count(key: string, windowMs: number, limit: number): Usage {
    const now = this.#now()
    const window = Math.floor(now / windowMs)
    const into = now - window * windowMs
    return this.#pairs.update(key, (pair) => {
      const before = pair.get(WINDOW)
      if (before !== window) {
        pair.set(PREVIOUS, before === window - 1 ? pair.get(CURRENT) : 0)
        pair.set(CURRENT, 0)
        pair.set(WINDOW, window)
        pair.expiresAt = (window + 2) * windowMs
      }
      const current = pair.get(CURRENT)
      const count = pair.get(PREVIOUS) * (1 - into / windowMs) + current + 1
      if (count <= limit) pair.set(CURRENT, current + 1)
      return { count, resetMs: windowMs - into }
    })
  }
}
