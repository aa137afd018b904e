/** Upper bounds of the buckets, in milliseconds. */
export const LATENCY_BUCKETS_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000,
] as const

/** Latencies counted in plain numbers: an observation costs a few comparisons. */
export class LatencyHistogram {
  /** How many fell into each bucket, the last one for those beyond all bounds. */
  readonly buckets: number[] = new Array<number>(LATENCY_BUCKETS_MS.length + 1).fill(0)
  sum = 0
  count = 0

  observe(ms: number): void {
    let at = 0
    while (at < LATENCY_BUCKETS_MS.length && ms > (LATENCY_BUCKETS_MS[at] as number)) at++
    this.buckets[at] = (this.buckets[at] as number) + 1
    this.sum += ms
    this.count++
  }

  add(other: LatencyHistogram): void {
    for (const [at, count] of other.buckets.entries()) this.buckets[at] = (this.buckets[at] as number) + count
    this.sum += other.sum
    this.count += other.count
  }
}
