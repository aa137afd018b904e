const SWEEP_AT = 10_000

interface Bucket {
  excess: number
  at: number
}

/** Leaky buckets by key: requests above `rate` per second pile up to `burst`, further ones are refused. */
export class LeakyBuckets {
  readonly #buckets = new Map<string, Bucket>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Milliseconds the request has to wait; undefined if it is one too many. */
  take(key: string, rate: number, burst: number): number | undefined {
    const now = this.#now()
    const bucket = this.#buckets.get(key)
    const excess =
      bucket === undefined ? 0 : Math.max(0, bucket.excess - ((now - bucket.at) * rate) / 1000 + 1)
    if (excess > burst) return undefined
    if (bucket === undefined) {
      if (this.#buckets.size >= SWEEP_AT) this.#sweep(now, rate)
      this.#buckets.set(key, { excess, at: now })
    } else {
      bucket.excess = excess
      bucket.at = now
    }
    return (excess * 1000) / rate
  }

  /** Forgets buckets that have run empty. */
  #sweep(now: number, rate: number): void {
    for (const [key, { excess, at }] of this.#buckets)
      if (excess - ((now - at) * rate) / 1000 <= -1) this.#buckets.delete(key)
  }
}
