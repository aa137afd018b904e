import { setTimeout as sleep } from 'node:timers/promises'

/** A token bucket: `qps` requests a second on average, `burst` at once; as client-go's flowcontrol. */
export class RateLimit {
  readonly #qps: number
  readonly #burst: number
  #tokens: number
  #at = performance.now()

  constructor({ qps, burst }: { qps: number; burst: number }) {
    this.#qps = qps
    this.#burst = burst
    this.#tokens = burst
  }

  /** Waits for a token, in the order of calls; resolves to the seconds waited. */
  async take(signal?: AbortSignal): Promise<number> {
    const now = performance.now()
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#qps)
    this.#at = now
    this.#tokens--
    if (this.#tokens >= 0) return 0
    const seconds = -this.#tokens / this.#qps
    await sleep(seconds * 1000, undefined, signal === undefined ? {} : { signal })
    return seconds
  }
}
