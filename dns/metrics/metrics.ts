/**
 * Counters and histograms for hot paths: a plugin asks once for the cell of its labels and then only adds to a number.
 * They register with prom-client by the shape that its Registry reads, so one /metrics shows everything.
 */
import type { Registry } from 'prom-client'

export type Labels = Readonly<Record<string, string>>

interface Sample {
  readonly value: number
  readonly labels: Labels
  readonly metricName?: string
}

/** How the values of several processes become one: counts are added up, of infos and states the largest counts. */
type Aggregator = 'sum' | 'max'

/** A metric with its values, as worker processes hand it to their primary. */
export interface FamilySamples {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly values: readonly Sample[]
}

/** One time series. */
export interface Cell {
  value: number
}

abstract class Family<C> {
  readonly name: string
  readonly help: string
  abstract readonly type: 'counter' | 'gauge' | 'histogram'
  readonly aggregator: Aggregator = 'sum'
  /** what other processes have counted, by name of the metric */
  elsewhere: (() => Promise<readonly FamilySamples[]>) | undefined
  readonly #labelNames: readonly string[]
  protected readonly cells = new Map<string, { labels: Labels; cell: C }>()

  constructor(name: string, help: string, labelNames: readonly string[]) {
    this.name = name
    this.help = help
    this.#labelNames = labelNames
  }

  protected abstract create(): C
  protected abstract samples(): Sample[]

  /** The cell for these label values, given in the order of the label names. Keep it. */
  cell(...values: readonly string[]): C {
    const key = values.join('\xff')
    let found = this.cells.get(key)
    if (found === undefined) {
      const labels = Object.fromEntries(this.#labelNames.map((name, i) => [name, values[i] ?? '']))
      found = { labels, cell: this.create() }
      this.cells.set(key, found)
    }
    return found.cell
  }

  /** Forgets a time series. */
  remove(...values: readonly string[]): void {
    this.cells.delete(values.join('\xff'))
  }

  reset(): void {
    this.cells.clear()
  }

  /** What prom-client's Registry calls. */
  async get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Sample[] }> {
    const { name, help, type, aggregator, elsewhere } = this
    const others = elsewhere === undefined ? [] : await elsewhere()
    const theirs = others.filter((family) => family.name === name).flatMap(({ values }) => values)
    const values = theirs.length === 0 ? this.samples() : combine([...this.samples(), ...theirs], aggregator)
    return { name, help, type, aggregator, values }
  }

  /** The values of this process alone. */
  own(): FamilySamples {
    return { name: this.name, type: this.type, values: this.samples() }
  }
}

/** What processes that have ended had counted: added up, so that no counter goes back; gauges went with them. */
export function addCounts(
  total: readonly FamilySamples[],
  more: readonly FamilySamples[],
): readonly FamilySamples[] {
  const names = new Map<string, FamilySamples>()
  for (const family of [...total, ...more]) {
    if (family.type === 'gauge') continue
    const before = names.get(family.name)?.values ?? []
    names.set(family.name, { ...family, values: combine([...before, ...family.values], 'sum') })
  }
  return [...names.values()]
}

function combine(samples: readonly Sample[], aggregator: Aggregator): Sample[] {
  const combined = new Map<string, Sample>()
  for (const sample of samples) {
    const key = `${sample.metricName ?? ''} ${Object.values(sample.labels).join('\xff')}`
    const before = combined.get(key)?.value
    const value =
      before === undefined
        ? sample.value
        : aggregator === 'sum'
          ? before + sample.value
          : Math.max(before, sample.value)
    combined.set(key, { ...sample, value })
  }
  return [...combined.values()]
}

export class Counter extends Family<Cell> {
  readonly type = 'counter'

  protected create(): Cell {
    return { value: 0 }
  }

  protected samples(): Sample[] {
    return [...this.cells.values()].map(({ labels, cell }) => ({ value: cell.value, labels }))
  }
}

/** A value that is read when the metrics are. */
export class Gauge extends Family<{ value: number | (() => number) }> {
  readonly type = 'gauge'
  override readonly aggregator: Aggregator

  constructor(name: string, help: string, labelNames: readonly string[], aggregator: Aggregator) {
    super(name, help, labelNames)
    this.aggregator = aggregator
  }

  protected create(): { value: number | (() => number) } {
    return { value: 0 }
  }

  protected samples(): Sample[] {
    return [...this.cells.values()].map(({ labels, cell }) => ({
      value: typeof cell.value === 'number' ? cell.value : cell.value(),
      labels,
    }))
  }
}

/** One time series of a histogram. */
export class Buckets {
  readonly #bounds: readonly number[]
  readonly counts: Float64Array
  sum = 0
  count = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.counts = new Float64Array(bounds.length)
  }

  observe(value: number): void {
    this.add(value, this.bucketOf(value))
  }

  /** The bucket a value belongs in, for `add`. */
  bucketOf(value: number): number {
    const bounds = this.#bounds
    for (let i = 0; i < bounds.length; i += 1) if (value <= (bounds[i] as number)) return i
    return bounds.length
  }

  /** Like `observe`, when the bucket is known. */
  add(value: number, bucket: number): void {
    this.sum += value
    this.count += 1
    if (bucket < this.counts.length) this.counts[bucket] = (this.counts[bucket] as number) + 1
  }
}

export class Histogram extends Family<Buckets> {
  readonly type = 'histogram'
  readonly #bounds: readonly number[]

  constructor(name: string, help: string, labelNames: readonly string[], bounds: readonly number[]) {
    super(name, help, labelNames)
    this.#bounds = bounds
  }

  protected create(): Buckets {
    return new Buckets(this.#bounds)
  }

  protected samples(): Sample[] {
    const samples: Sample[] = []
    for (const { labels, cell } of this.cells.values()) {
      let total = 0
      this.#bounds.forEach((bound, i) => {
        total += cell.counts[i] as number
        samples.push({
          value: total,
          labels: { ...labels, le: String(bound) },
          metricName: `${this.name}_bucket`,
        })
      })
      samples.push({
        value: cell.count,
        labels: { ...labels, le: '+Inf' },
        metricName: `${this.name}_bucket`,
      })
      samples.push({ value: cell.sum, labels, metricName: `${this.name}_sum` })
      samples.push({ value: cell.count, labels, metricName: `${this.name}_count` })
    }
    return samples
  }
}

/** Bounds start, start·factor, start·factor² ... */
export function exponential(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start * factor ** i)
}

/** CoreDNS's buckets for durations in seconds. */
export const timeBuckets = exponential(0.00025, 2, 16)
export const sizeBuckets = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3]

/** Finds or registers the metrics of one registry; plugins of several blocks and of later reloads share them. */
export class MetricFamilies {
  readonly registry: Registry
  readonly #families: Family<unknown>[] = []
  #elsewhere: (() => Promise<readonly FamilySamples[]>) | undefined

  constructor(registry: Registry) {
    this.registry = registry
  }

  /** Adds what other processes have counted to what is shown. */
  include(elsewhere: () => Promise<readonly FamilySamples[]>): void {
    this.#elsewhere = elsewhere
    for (const family of this.#families) family.elsewhere = elsewhere
  }

  /** What this process has counted. */
  samples(): readonly FamilySamples[] {
    return this.#families.map((family) => family.own())
  }

  counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return this.#family(name, Counter, () => new Counter(name, help, labelNames))
  }

  /** `aggregator` says how the values of several worker processes become one. */
  gauge(
    name: string,
    help: string,
    labelNames: readonly string[] = [],
    aggregator: Aggregator = 'max',
  ): Gauge {
    return this.#family(name, Gauge, () => new Gauge(name, help, labelNames, aggregator))
  }

  histogram(name: string, help: string, labelNames: readonly string[], bounds: readonly number[]): Histogram {
    return this.#family(name, Histogram, () => new Histogram(name, help, labelNames, bounds))
  }

  #family<F extends Family<unknown>>(
    name: string,
    kind: abstract new (...args: never[]) => F,
    create: () => F,
  ): F {
    const known: unknown = this.registry.getSingleMetric(name)
    if (known instanceof kind) return known
    const made = create()
    made.elsewhere = this.#elsewhere
    this.#families.push(made)
    this.registry.registerMetric(made as never)
    return made
  }
}
