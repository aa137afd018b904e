import { monotonicNow, type RecordSpace } from '../../sharing/index.ts'

/** Requests above the rate, as of a time. */
const EXCESS = 0
const AT = 1

/**
 * Leaky buckets by key: requests above `rate` per second pile up to `burst`, further ones are refused. Common to all
 * processes.
 */
export class LeakyBuckets {
  readonly #buckets: RecordSpace
  readonly #now: () => number

  constructor(buckets: RecordSpace, now: () => number = monotonicNow) {
    this.#buckets = buckets
    this.#now = now
  }

  /** Milliseconds the request has to wait; undefined if it is one too many. */
  take(key: string, rate: number, burst: number): number | undefined {
    const now = this.#now()
    return this.#buckets.update(key, (bucket) => {
      const empty = bucket.expiresAt <= now
      const excess = empty ? 0 : Math.max(0, bucket.get(EXCESS) - ((now - bucket.get(AT)) * rate) / 1000 + 1)
      if (excess > burst) return undefined
      bucket.set(EXCESS, excess)
      bucket.set(AT, now)
      // By then it is as if nobody had come.
      bucket.expiresAt = now + ((excess + 1) * 1000) / rate
      return (excess * 1000) / rate
    })
  }
}
