import { type Next, nothingToRepeat, type Outcome, type Plugin, type Repeat } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { exponential, type Histogram, type MetricFamilies } from '../../metrics/metrics.ts'

/** How often the process looks whether it gets to run. */
const probeMs = 1000

/**
 * /health says that the process is alive. The metric shows by how much a probe once a second was late: an event loop that
 * is busy elsewhere cannot answer health checks (nor queries) in time.
 */
export class HealthPlugin implements Plugin {
  readonly name = 'health'
  readonly #late: Histogram
  #timer: NodeJS.Timeout | undefined

  constructor(metrics: MetricFamilies) {
    this.#late = metrics.histogram(
      'coredns_health_request_duration_seconds',
      'Time that a health probe inside the process takes, in seconds.',
      [],
      exponential(0.00025, 10, 5),
    )
    metrics.counter('coredns_health_request_failures_total', 'Health probes that failed.').cell()
  }

  handle(query: Query, next: Next): Outcome {
    return next(query)
  }

  repeat(): Repeat {
    return nothingToRepeat
  }

  start(): void {
    const cell = this.#late.cell()
    let due = performance.now() + probeMs
    this.#timer = setInterval(() => {
      const now = performance.now()
      cell.observe(Math.max(0, now - due) / 1000)
      due = now + probeMs
    }, probeMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
