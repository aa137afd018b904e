import type { Metric, MetricObjectWithValues, MetricValue, Registry } from 'prom-client'
import { LATENCY_BUCKETS_MS, LatencyHistogram } from './latency-histogram.ts'

type Samples = MetricObjectWithValues<MetricValue<string>>
type Value = MetricValue<string> & { metricName?: string }

export interface TrafficLabels {
  readonly route: string
  readonly service: string
  readonly consumer: string
  readonly node: string
  readonly matched_uri: string
  readonly matched_host: string
}

/** What was counted under one set of labels. */
export class TrafficSeries {
  readonly labels: TrafficLabels
  readonly statuses = new Map<number, number>()
  readonly request = new LatencyHistogram()
  readonly upstream = new LatencyHistogram()
  readonly apisix = new LatencyHistogram()
  egress = 0
  ingress = 0

  constructor(labels: TrafficLabels) {
    this.labels = labels
  }
}

/** Host names that clients send become labels; beyond this many series they no longer do. */
const MOST_SERIES = 5000
const held = new WeakMap<Registry, TrafficMetrics>()

/**
 * The traffic metrics. prom-client's own counters cost several microseconds for each set of labels, more than all the rest of
 * a request; here a request adds to plain numbers, and the metrics are made from them when somebody asks.
 */
export class TrafficMetrics {
  readonly #series = new Map<string, TrafficSeries>()

  /** The metrics in a registry, put there on first use. */
  static of(registry: Registry): TrafficMetrics {
    const known = held.get(registry)
    if (known !== undefined && registry.getSingleMetric('apisix_http_status') !== undefined) return known
    const metrics = known ?? new TrafficMetrics()
    held.set(registry, metrics)
    metrics.#register(registry)
    return metrics
  }

  series(labels: TrafficLabels): TrafficSeries {
    const bounded = this.#series.size < MOST_SERIES ? labels : { ...labels, service: '' }
    const key = Object.values(bounded).join('\0')
    let series = this.#series.get(key)
    if (series === undefined) {
      series = new TrafficSeries(bounded)
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
    add('apisix_http_status', 'HTTP status codes per route', 'counter', () => this.#statuses())
    add('apisix_http_latency', 'HTTP request latency in milliseconds per route', 'histogram', () =>
      this.#latencies(),
    )
    add('apisix_bandwidth', 'Total bandwidth in bytes consumed per route', 'counter', () => this.#bandwidth())
  }

  #statuses(): Value[] {
    return [...this.#series.values()].flatMap(({ labels, statuses }) =>
      [...statuses].map(([code, value]) => ({ labels: { code: String(code), ...labels }, value })),
    )
  }

  /** Series put together that differ only in what a metric has no label for. */
  *#groups(): Iterable<readonly [labels: Record<string, string>, members: readonly TrafficSeries[]]> {
    const groups = new Map<string, TrafficSeries[]>()
    for (const series of this.#series.values()) {
      const { route, service, consumer, node } = series.labels
      const key = [route, service, consumer, node].join('\0')
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [series])
      else group.push(series)
    }
    for (const members of groups.values()) {
      const [first] = members
      if (first === undefined) continue
      const { route, service, consumer, node } = first.labels
      yield [{ route, service, consumer, node }, members]
    }
  }

  #latencies(): Value[] {
    const values: Value[] = []
    for (const [labels, members] of this.#groups()) {
      for (const type of ['request', 'upstream', 'apisix'] as const) {
        const total = new LatencyHistogram()
        for (const member of members) total.add(member[type])
        if (total.count > 0) values.push(...histogramValues({ type, ...labels }, total))
      }
    }
    return values
  }

  #bandwidth(): Value[] {
    const values: Value[] = []
    for (const [labels, members] of this.#groups()) {
      for (const type of ['egress', 'ingress'] as const) {
        const value = members.reduce((sum, member) => sum + member[type], 0)
        values.push({ labels: { type, ...labels }, value })
      }
    }
    return values
  }
}

function histogramValues(labels: Record<string, string>, total: LatencyHistogram): Value[] {
  const name = 'apisix_http_latency'
  let sum = 0
  const buckets = total.buckets.map((count, at) => {
    sum += count
    const le = LATENCY_BUCKETS_MS[at] ?? '+Inf'
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: sum }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: total.sum },
    { metricName: `${name}_count`, labels, value: total.count },
  ]
}
