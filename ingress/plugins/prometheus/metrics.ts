import { Counter, Histogram, type Registry } from 'prom-client'

export interface TrafficMetrics {
  readonly status: Counter
  readonly latency: Histogram
  readonly bandwidth: Counter
}

const LATENCY_BUCKETS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000]

/** The traffic metrics in a registry, made on first use. */
export function trafficMetrics(registry: Registry): TrafficMetrics {
  const registers = [registry]
  const known = registry.getSingleMetric('apisix_http_status')
  if (known !== undefined) {
    return {
      status: known as Counter,
      latency: registry.getSingleMetric('apisix_http_latency') as Histogram,
      bandwidth: registry.getSingleMetric('apisix_bandwidth') as Counter,
    }
  }
  return {
    status: new Counter({
      name: 'apisix_http_status',
      help: 'HTTP status codes per route',
      labelNames: ['code', 'route', 'matched_uri', 'matched_host', 'service', 'consumer', 'node'],
      registers,
    }),
    latency: new Histogram({
      name: 'apisix_http_latency',
      help: 'HTTP request latency in milliseconds per route',
      labelNames: ['type', 'route', 'service', 'consumer', 'node'],
      buckets: LATENCY_BUCKETS_MS,
      registers,
    }),
    bandwidth: new Counter({
      name: 'apisix_bandwidth',
      help: 'Total bandwidth in bytes consumed per route',
      labelNames: ['type', 'route', 'service', 'consumer', 'node'],
      registers,
    }),
  }
}
