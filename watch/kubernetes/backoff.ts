import { setTimeout as sleep } from 'node:timers/promises'

export interface BackoffTiming {
  /** first delay, milliseconds */
  readonly baseMs: number
  /** no delay is longer before jitter */
  readonly capMs: number
  /** after this long without failure the next delay is the first again */
  readonly resetMs: number
}

/** Delays that double, with up to as much again at random: nodes must not come back in step. */
export class Backoff {
  readonly #timing: BackoffTiming
  #failures = 0
  #lastAt = Number.NEGATIVE_INFINITY

  constructor(timing: BackoffTiming) {
    this.#timing = timing
  }

  /** Waits for the next delay, at least `atLeastMs`. Rejects when aborted. */
  async wait(signal: AbortSignal, { atLeastMs = 0 }: { atLeastMs?: number | undefined } = {}): Promise<void> {
    const { baseMs, capMs, resetMs } = this.#timing
    const now = performance.now()
    if (now - this.#lastAt > resetMs) this.#failures = 0
    const delay = Math.min(capMs, baseMs * 2 ** this.#failures) * (1 + Math.random())
    this.#failures = Math.min(this.#failures + 1, 16)
    const wait = Math.max(delay, atLeastMs)
    this.#lastAt = now + wait
    await sleep(wait, undefined, { signal })
  }
}
