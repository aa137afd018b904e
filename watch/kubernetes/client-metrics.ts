import { Counter, Histogram, type Registry } from 'prom-client'

/** Metrics of the API client under client-go's names; counts nothing where no registry is given. */
export class ClientMetrics {
  readonly #requests: Counter | undefined
  readonly #duration: Histogram | undefined
  readonly #limited: Histogram | undefined

  constructor(registry: Registry | undefined) {
    if (registry === undefined) return
    const registers = [registry]
    this.#requests = new Counter({
      name: 'rest_client_requests_total',
      help: 'Number of HTTP requests, partitioned by status code, method, and host',
      labelNames: ['code', 'method', 'host'],
      registers,
    })
    this.#duration = new Histogram({
      name: 'rest_client_request_duration_seconds',
      help: 'Request latency in seconds until the head of the answer, broken down by verb and host',
      labelNames: ['verb', 'host'],
      buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60],
      registers,
    })
    this.#limited = new Histogram({
      name: 'rest_client_rate_limiter_duration_seconds',
      help: 'Client side rate limiter latency in seconds',
      buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60],
      registers,
    })
  }

  answered(facts: { method: string; host: string; code: string; seconds: number }): void {
    const { method, host, code, seconds } = facts
    this.#requests?.inc({ code, method, host })
    this.#duration?.observe({ verb: method, host }, seconds)
  }

  limited(seconds: number): void {
    this.#limited?.observe(seconds)
  }
}
