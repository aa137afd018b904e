import type { Counter, Usage } from './counter.ts'

interface Window {
  count: number
  endsAt: number
}

const SWEEP_AT = 10_000

/** Counters per key that start anew when their window ends. */
export class FixedWindows implements Counter {
  readonly #windows = new Map<string, Window>()
  readonly #now: () => number
  #sweepAt = SWEEP_AT

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  get size(): number {
    return this.#windows.size
  }

  /** Counts one more. */
  count(key: string, windowMs: number): Usage {
    const now = this.#now()
    let window = this.#windows.get(key)
    if (window === undefined || window.endsAt <= now) {
      if (window === undefined && this.#windows.size >= this.#sweepAt) this.#sweep(now)
      window = { count: 0, endsAt: now + windowMs }
      this.#windows.set(key, window)
    }
    window.count++
    return { count: window.count, resetMs: window.endsAt - now }
  }

  /** Drops ended windows, so that a stream of ever new keys costs no more memory than one window's worth of them. */
  #sweep(now: number): void {
    for (const [key, window] of this.#windows) if (window.endsAt <= now) this.#windows.delete(key)
    this.#sweepAt = Math.max(SWEEP_AT, this.#windows.size * 2)
  }
}
