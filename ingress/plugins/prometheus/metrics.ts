import type { Metric, MetricObjectWithValues, MetricValue, Registry } from 'prom-client'
import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject } from '../../objects/index.ts'
import type { PluginEnvironment } from '../plugin.ts'
import { type ExtraLabel, LABELS, type MetricName } from './labels.ts'
import { bucketsOf, LatencyHistogram } from './latency-histogram.ts'

type Samples = MetricObjectWithValues<MetricValue<string>>
type Value = MetricValue<string> & { metricName?: string }
type Labels = Record<string, string>

export interface TrafficLabels {
  readonly route: string
  readonly service: string
  readonly consumer: string
  readonly node: string
  readonly matched_uri: string
  readonly matched_host: string
  /** Values of the extra labels, in their order. */
  readonly extra: readonly string[]
}

/** Whose an answer was: a server's; ours because no server answered (APISIX's nginx says so); ours from the outset. */
const SOURCES = ['upstream', 'nginx', 'apisix'] as const
type Source = 0 | 1 | 2

export function sourceOf(context: RequestContext): Source {
  if (context.upstreamMs > 0) return 0
  return context.upstreamStartedAt > 0 ? 1 : 2
}

/** What was counted under one set of labels. */
export class TrafficSeries {
  readonly labels: TrafficLabels
  /** Requests by status and source. */
  readonly #statuses = new Map<number, number>()
  readonly request: LatencyHistogram
  readonly upstream: LatencyHistogram
  readonly apisix: LatencyHistogram
  egress = 0
  ingress = 0

  constructor(labels: TrafficLabels, buckets: readonly number[]) {
    this.labels = labels
    this.request = new LatencyHistogram(buckets)
    this.upstream = new LatencyHistogram(buckets)
    this.apisix = new LatencyHistogram(buckets)
  }

  countStatus(status: number, source: Source): void {
    const key = status * SOURCES.length + source
    this.#statuses.set(key, (this.#statuses.get(key) ?? 0) + 1)
  }

  *statuses(): Iterable<{ code: string; response_source: string; count: number }> {
    for (const [key, count] of this.#statuses) {
      const source = key % SOURCES.length
      const code = String((key - source) / SOURCES.length)
      yield { code, response_source: SOURCES[source] as string, count }
    }
  }
}

/** What clients send becomes labels where an operator asks for that; beyond this many series it no longer does. */
const MOST_SERIES = 5000
const held = new WeakMap<Registry, TrafficMetrics>()
/** No AI plugins here, so no models. */
const CONSTANT: Labels = { request_type: 'traditional_http', request_llm_model: '', llm_model: '' }

/**
 * The traffic metrics. prom-client's own counters cost several microseconds for each set of labels, more than all the rest of
 * a request; here a request adds to plain numbers, and the metrics are made from them when somebody asks.
 */
export class TrafficMetrics {
  readonly #series = new Map<string, TrafficSeries>()
  #extras: readonly ExtraLabel[] = []
  #buckets: readonly number[] = []
  #metadata: () => JsonObject = () => ({})

  /** The metrics in a registry, put there on first use. */
  static of(
    environment: Pick<PluginEnvironment, 'metrics' | 'attributes' | 'metadata'>,
    extras: readonly ExtraLabel[],
  ): TrafficMetrics {
    const { metrics: registry, attributes, metadata } = environment
    const metrics = held.get(registry) ?? new TrafficMetrics()
    const buckets = bucketsOf(attributes.default_buckets)
    // What was counted in other buckets, or under other labels, cannot be added to.
    const same = (a: object, b: object) => JSON.stringify(a) === JSON.stringify(b)
    if (!same(metrics.#buckets, buckets) || !same(metrics.#extras, extras)) metrics.#series.clear()
    metrics.#extras = extras
    metrics.#buckets = buckets
    metrics.#metadata = metadata
    held.set(registry, metrics)
    if (registry.getSingleMetric('apisix_http_status') === undefined) metrics.#register(registry)
    return metrics
  }

  series(labels: TrafficLabels): TrafficSeries {
    const bounded =
      this.#series.size < MOST_SERIES ? labels : { ...labels, extra: labels.extra.map(() => '') }
    const key = Object.values(bounded).flat().join('\0')
    let series = this.#series.get(key)
    if (series === undefined) {
      series = new TrafficSeries(bounded, this.#buckets)
      this.#series.set(key, series)
    }
    return series
  }

  #register(registry: Registry): void {
    const add = (name: string, help: string, type: 'counter' | 'histogram', values: () => Value[]) => {
      const get = (): Samples =>
        ({ name, help, type, aggregator: 'sum', values: values() }) as unknown as Samples
      const metric = { name, help, type, aggregator: 'sum', get, reset() {} }
      registry.registerMetric(metric as unknown as Metric)
    }
    add('apisix_http_status', 'HTTP status codes per service in APISIX', 'counter', () => this.#statuses())
    add(
      'apisix_http_latency',
      'HTTP request latency in milliseconds per service in APISIX',
      'histogram',
      () => this.#latencies(),
    )
    add('apisix_bandwidth', 'Total bandwidth in bytes consumed per service in APISIX', 'counter', () =>
      this.#bandwidth(),
    )
  }

  /** What a metric shows of a series' labels; those the metadata disables are empty. */
  #labels(metric: MetricName, { labels }: TrafficSeries, own: Labels): Labels {
    const { disabled_labels: disabled } = this.#metadata() as { disabled_labels?: Record<string, string[]> }
    const { extra, ...named } = labels
    const all: Labels = { ...named, ...CONSTANT, ...own }
    const shown: Labels = {}
    for (const name of LABELS[metric])
      shown[name] = disabled?.[metric]?.includes(name) === true ? '' : (all[name] ?? '')
    for (const [at, { label, metrics }] of this.#extras.entries())
      if (metrics.includes(metric)) shown[label] = extra[at] ?? ''
    return shown
  }

  #statuses(): Value[] {
    const sums = new Sums<number>()
    for (const series of this.#series.values())
      for (const { code, response_source, count } of series.statuses()) {
        const labels = this.#labels('http_status', series, { code, response_source })
        sums.set(labels, (sums.get(labels) ?? 0) + count)
      }
    return sums.map((labels, value) => [{ labels, value }])
  }

  #latencies(): Value[] {
    const sums = new Sums<LatencyHistogram>()
    for (const series of this.#series.values())
      for (const type of ['request', 'upstream', 'apisix'] as const) {
        if (series[type].count === 0) continue
        const labels = this.#labels('http_latency', series, { type })
        const sum = sums.get(labels) ?? new LatencyHistogram(series[type].bounds)
        sums.set(labels, sum)
        sum.add(series[type])
      }
    return sums.map(histogramValues)
  }

  #bandwidth(): Value[] {
    const sums = new Sums<number>()
    for (const series of this.#series.values())
      for (const type of ['egress', 'ingress'] as const) {
        const labels = this.#labels('bandwidth', series, { type })
        sums.set(labels, (sums.get(labels) ?? 0) + series[type])
      }
    return sums.map((labels, value) => [{ labels, value }])
  }
}

/** Sums by labels: series that differ only in what a metric does not show are one there. */
class Sums<T> {
  readonly #entries = new Map<string, { readonly labels: Labels; value: T }>()

  get(labels: Labels): T | undefined {
    return this.#entries.get(Object.values(labels).join('\0'))?.value
  }

  set(labels: Labels, value: T): void {
    this.#entries.set(Object.values(labels).join('\0'), { labels, value })
  }

  map(values: (labels: Labels, value: T) => Value[]): Value[] {
    return [...this.#entries.values()].flatMap(({ labels, value }) => values(labels, value))
  }
}

function histogramValues(labels: Labels, total: LatencyHistogram): Value[] {
  const name = 'apisix_http_latency'
  let sum = 0
  const buckets = total.buckets.map((count, at) => {
    sum += count
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: total.bounds[at] ?? '+Inf' },
      value: sum,
    }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: total.sum },
    { metricName: `${name}_count`, labels, value: total.count },
  ]
}
