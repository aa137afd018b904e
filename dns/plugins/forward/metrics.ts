import {
  type Cell,
  type Counter,
  type Histogram,
  type MetricFamilies,
  timeBuckets,
} from '../../metrics/metrics.ts'
import { rcodeName } from '../../wire/index.ts'

/** CoreDNS's proxy_* and forward_* metrics; older dashboards use names that are kept as well. */
export class ForwardMetrics {
  readonly rejects: Cell
  readonly healthBroken: Cell
  readonly #durations: Histogram
  readonly #oldDurations: Histogram
  readonly #oldRequests: Counter
  readonly #oldResponses: Counter
  readonly #probeFailures: Counter
  readonly #oldProbeFailures: Counter
  readonly #hits: Counter
  readonly #misses: Counter

  constructor(families: MetricFamilies) {
    this.rejects = families
      .counter(
        'coredns_forward_max_concurrent_rejects_total',
        'Queries refused because max_concurrent were under way.',
      )
      .cell()
    this.healthBroken = families
      .counter('coredns_forward_healthcheck_broken_total', 'Queries for which every upstream was down.')
      .cell()
    this.#durations = families.histogram(
      'coredns_proxy_request_duration_seconds',
      'Time an upstream took to answer.',
      ['proxy_name', 'to', 'rcode'],
      timeBuckets,
    )
    this.#oldDurations = families.histogram(
      'coredns_forward_request_duration_seconds',
      'Time an upstream took to answer (old name).',
      ['to', 'rcode'],
      timeBuckets,
    )
    this.#oldRequests = families.counter(
      'coredns_forward_requests_total',
      'Queries per upstream (old name).',
      ['to'],
    )
    this.#oldResponses = families.counter(
      'coredns_forward_responses_total',
      'Answers per upstream and code (old name).',
      ['to', 'rcode'],
    )
    this.#probeFailures = families.counter(
      'coredns_proxy_healthcheck_failures_total',
      'Health probes that failed.',
      ['proxy_name', 'to'],
    )
    this.#oldProbeFailures = families.counter(
      'coredns_forward_healthcheck_failures_total',
      'Health probes that failed (old name).',
      ['to'],
    )
    this.#hits = families.counter(
      'coredns_proxy_conn_cache_hits_total',
      'Queries on a connection that was open.',
      ['proxy_name', 'to', 'proto'],
    )
    this.#misses = families.counter(
      'coredns_proxy_conn_cache_misses_total',
      'Queries that opened a connection.',
      ['proxy_name', 'to', 'proto'],
    )
  }

  answered(to: string, code: number, seconds: number): void {
    const rcode = rcodeName(code)
    this.#durations.cell('forward', to, rcode).observe(seconds)
    this.#oldDurations.cell(to, rcode).observe(seconds)
    this.#oldRequests.cell(to).value += 1
    this.#oldResponses.cell(to, rcode).value += 1
  }

  probeFailed(to: string): void {
    this.#probeFailures.cell('forward', to).value += 1
    this.#oldProbeFailures.cell(to).value += 1
  }

  connection(to: string, proto: string, how: 'hit' | 'miss'): void {
    const counter = how === 'hit' ? this.#hits : this.#misses
    counter.cell('forward', to, proto).value += 1
  }
}
