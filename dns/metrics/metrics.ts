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

/** One time series. */
export interface Cell {
  value: number
}

abstract class Family<C> {
  readonly name: string
  readonly help: string
  abstract readonly type: 'counter' | 'gauge' | 'histogram'
  readonly aggregator = 'sum'
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
  get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Sample[] }> {
    return Promise.resolve({
      name: this.name,
      help: this.help,
      type: this.type,
      aggregator: this.aggregator,
      values: this.samples(),
    })
  }
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
    this.sum += value
    this.count += 1
    const bounds = this.#bounds
    for (let i = 0; i < bounds.length; i += 1) {
      if (value <= (bounds[i] as number)) {
        this.counts[i] = (this.counts[i] as number) + 1
        return
      }
    }
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

  constructor(registry: Registry) {
    this.registry = registry
  }

  counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return this.#family(name, Counter, () => new Counter(name, help, labelNames))
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return this.#family(name, Gauge, () => new Gauge(name, help, labelNames))
  }

  histogram(name: string, help: string, labelNames: readonly string[], bounds: readonly number[]): Histogram {
    return this.#family(name, Histogram, () => new Histogram(name, help, labelNames, bounds))
  }

  #family<F>(name: string, kind: abstract new (...args: never[]) => F, create: () => F): F {
    const known: unknown = this.registry.getSingleMetric(name)
    if (known instanceof kind) return known
    const made = create()
    this.registry.registerMetric(made as never)
    return made
  }
}
