import { monotonicNow, type RecordSpace } from '../../sharing/index.ts'
import type { Counter, Usage } from './counter.ts'

const COUNT = 0

/** Counters per key that start anew when their window ends; common to all processes. */
export class FixedWindows implements Counter {
  readonly #windows: RecordSpace
  readonly #now: () => number

  constructor(windows: RecordSpace, now: () => number = monotonicNow) {
    this.#windows = windows
    this.#now = now
  }

  /** Counts one more. */
  count(key: string, windowMs: number): Usage {
    const now = this.#now()
    return this.#windows.update(key, (window) => {
      const begins = window.expiresAt <= now
      if (begins) window.expiresAt = now + windowMs
      const count = begins ? 1 : window.get(COUNT) + 1
      window.set(COUNT, count)
      return { count, resetMs: window.expiresAt - now }
    })
  }
}
