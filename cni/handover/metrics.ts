import { Counter, Histogram, type Registry } from 'prom-client'

/** plexus_cni_requests_total and plexus_cni_request_duration_seconds. */
export class CniMetrics {
  readonly #requests: Counter
  readonly #duration: Histogram

  constructor(registry: Registry) {
    this.#requests = new Counter({
      name: 'plexus_cni_requests_total',
      help: 'CNI operations served, by command and result (success, error).',
      labelNames: ['command', 'result'],
      registers: [registry],
    })
    this.#duration = new Histogram({
      name: 'plexus_cni_request_duration_seconds',
      help: 'Time from a complete CNI request to its reply.',
      labelNames: ['command'],
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [registry],
    })
  }

  observe({
    command,
    succeeded,
    durationMs,
  }: {
    command: string
    succeeded: boolean
    durationMs: number
  }): void {
    this.#requests.inc({ command, result: succeeded ? 'success' : 'error' })
    this.#duration.observe({ command }, durationMs / 1000)
  }
}
