import type { HealthyRule, UnhealthyRule } from './settings.ts'

export type HealthStatus = 'healthy' | 'mostly_healthy' | 'mostly_unhealthy' | 'unhealthy'

/**
 * What is known of one server: results counted until enough of one kind in a row turn it. Counters of failures start
 * anew with a success, that of successes with a failure.
 */
export class ServerHealth {
  healthy = true
  /** When the next active probe is due (performance.now). */
  nextProbe = 0
  probing = false
  #successes = 0
  #httpFailures = 0
  #tcpFailures = 0
  #timeouts = 0

  get status(): HealthStatus {
    if (this.healthy) {
      return this.#httpFailures + this.#tcpFailures + this.#timeouts > 0 ? 'mostly_healthy' : 'healthy'
    }
    return this.#successes > 0 ? 'mostly_unhealthy' : 'unhealthy'
  }

  get counter(): Readonly<Record<string, number>> {
    return {
      success: this.#successes,
      http_failure: this.#httpFailures,
      tcp_failure: this.#tcpFailures,
      timeout_failure: this.#timeouts,
    }
  }

  /** An answer with this status; statuses in neither list say nothing. */
  answered(status: number, healthy: HealthyRule, unhealthy: UnhealthyRule): void {
    if (healthy.http_statuses.includes(status)) this.succeeded(healthy)
    else if (unhealthy.http_statuses.includes(status)) {
      this.#successes = 0
      this.#httpFailures++
      this.#turn(this.#httpFailures, unhealthy.http_failures)
    }
  }

  succeeded({ successes }: HealthyRule): void {
    this.#httpFailures = this.#tcpFailures = this.#timeouts = 0
    if (this.healthy || successes === 0) return
    if (++this.#successes < successes) return
    this.healthy = true
    this.#successes = 0
  }

  unreachable({ tcp_failures }: UnhealthyRule): void {
    this.#successes = 0
    this.#turn(++this.#tcpFailures, tcp_failures)
  }

  timedOut({ timeouts }: UnhealthyRule): void {
    this.#successes = 0
    this.#turn(++this.#timeouts, timeouts)
  }

  #turn(count: number, limit: number): void {
    if (limit > 0 && count >= limit) this.healthy = false
  }
}
