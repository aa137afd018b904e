import { type Metric, type MetricValue, Registry } from 'prom-client'
import type { MetricSamples } from './messages.ts'

interface Readable {
  readonly name: string
  get(): Promise<MetricSamples> | MetricSamples
  /** A shortcut for the text form, which would show this process's own numbers. */
  getForPromString?: unknown
}

/**
 * A registry whose metrics, registered at another one as well, answer with what this process and its workers have counted:
 * sums, or the largest where the metric says so.
 */
export class MergedRegistry extends Registry {
  readonly #outer: Registry
  readonly #scrape: () => Promise<readonly MetricSamples[]>

  constructor(outer: Registry, scrape: () => Promise<readonly MetricSamples[]>) {
    super()
    this.#outer = outer
    this.#scrape = scrape
  }

  override registerMetric<T extends string>(metric: Metric<T>): void {
    super.registerMetric(metric)
    const readable = metric as unknown as Readable
    const scrape = this.#scrape
    const face: Readable = Object.create(readable)
    face.getForPromString = undefined
    face.get = async () => {
      const samples = await readable.get()
      const others = (await scrape()).filter(({ name }) => name === samples.name)
      return { ...samples, values: merge([samples, ...others]) }
    }
    // One that was started before on the same registry may have left its own there.
    this.#outer.removeSingleMetric(readable.name)
    this.#outer.registerMetric(face as unknown as Metric<T>)
  }

  override removeSingleMetric(name: string): void {
    this.#outer.removeSingleMetric(name)
    super.removeSingleMetric(name)
  }
}

function merge(all: readonly MetricSamples[]): MetricValue<string>[] {
  const largest = all[0]?.aggregator === 'max'
  const merged = new Map<string, MetricValue<string>>()
  for (const { values } of all) {
    for (const value of values) {
      const named = 'metricName' in value ? String(value.metricName) : ''
      const key = `${named} ${JSON.stringify(Object.entries(value.labels).sort())}`
      const before = merged.get(key)
      if (before === undefined) merged.set(key, { ...value })
      else before.value = largest ? Math.max(before.value, value.value) : before.value + value.value
    }
  }
  return [...merged.values()]
}
