/** Upper bounds of the buckets unless `plugin_attr.prometheus.default_buckets` has others, in milliseconds. */
const BUCKETS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000]

export function bucketsOf(configured: unknown): readonly number[] {
  const list = Array.isArray(configured) ? configured.map(Number).filter((bound) => bound > 0) : []
  return list.length === 0 ? BUCKETS_MS : list.sort((a, b) => a - b)
}

/** Latencies counted in plain numbers: an observation costs a few comparisons. */
export class LatencyHistogram {
  readonly bounds: readonly number[]
  /** How many fell into each bucket, the last one for those beyond all bounds. */
  readonly buckets: number[]
  sum = 0
  count = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.buckets = new Array<number>(bounds.length + 1).fill(0)
  }

  observe(ms: number): void {
    const { bounds } = this
    let at = 0
    while (at < bounds.length && ms > (bounds[at] as number)) at++
    this.buckets[at] = (this.buckets[at] as number) + 1
    this.sum += ms
    this.count++
  }

  /** Adds what another with the same bounds counted. */
  add(other: LatencyHistogram): void {
    for (const [at, count] of other.buckets.entries()) this.buckets[at] = (this.buckets[at] as number) + count
    this.sum += other.sum
    this.count += other.count
  }
}
