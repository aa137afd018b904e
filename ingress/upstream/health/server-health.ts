import type { KeyHash, RecordSpace, SharedRecord, SharedRecords } from '../../sharing/index.ts'
import type { HealthyRule, UnhealthyRule } from './settings.ts'

export type HealthStatus = 'healthy' | 'mostly_healthy' | 'mostly_unhealthy' | 'unhealthy'

/** Fields of the record: 1 for unhealthy, results counted, and whether any of them is not 0. */
const UNHEALTHY = 0
const SUCCESSES = 1
const HTTP_FAILURES = 2
const TCP_FAILURES = 3
const TIMEOUTS = 4
const COUNTED = [SUCCESSES, HTTP_FAILURES, TCP_FAILURES, TIMEOUTS]
const FAILURES = [HTTP_FAILURES, TCP_FAILURES, TIMEOUTS]
/** Before anything else makes room, and after what runs just now. */
const KEPT = Number.MAX_VALUE

/**
 * What is known of one server, by all processes: results counted until enough of one kind in a row turn it. Counters of
 * failures start anew with a success, that of successes with a failure.
 */
export class ServerHealth {
  /** When the next active probe is due (performance.now). */
  nextProbe = 0
  probing = false
  readonly #records: SharedRecords
  readonly #key: KeyHash

  constructor(servers: RecordSpace, name: string) {
    this.#records = servers.records
    this.#key = servers.key(name)
  }

  get healthy(): boolean {
    return this.#records.peek(this.#key, UNHEALTHY) === 0
  }

  get status(): HealthStatus {
    const { success, ...failures } = this.counter
    if (this.healthy) {
      return Object.values(failures).some((count) => count > 0) ? 'mostly_healthy' : 'healthy'
    }
    return success > 0 ? 'mostly_unhealthy' : 'unhealthy'
  }

  get counter() {
    const field = (one: number) => this.#records.peek(this.#key, one)
    return {
      success: field(SUCCESSES),
      http_failure: field(HTTP_FAILURES),
      tcp_failure: field(TCP_FAILURES),
      timeout_failure: field(TIMEOUTS),
    }
  }

  /** An answer with this status; statuses in neither list say nothing. */
  answered(status: number, healthy: HealthyRule, unhealthy: UnhealthyRule): void {
    if (healthy.http_statuses.includes(status)) this.succeeded(healthy)
    else if (unhealthy.http_statuses.includes(status)) this.#fail(HTTP_FAILURES, unhealthy.http_failures)
  }

  succeeded({ successes }: HealthyRule): void {
    // What almost every request says is known already.
    if (this.healthy && FAILURES.every((field) => this.#records.peek(this.#key, field) === 0)) return
    this.#change((record) => {
      for (const field of FAILURES) record.set(field, 0)
      if (record.get(UNHEALTHY) === 0 || successes === 0) return
      const count = record.get(SUCCESSES) + 1
      record.set(SUCCESSES, count < successes ? count : 0)
      if (count >= successes) record.set(UNHEALTHY, 0)
    })
  }

  unreachable({ tcp_failures }: UnhealthyRule): void {
    this.#fail(TCP_FAILURES, tcp_failures)
  }

  timedOut({ timeouts }: UnhealthyRule): void {
    this.#fail(TIMEOUTS, timeouts)
  }

  /** Nothing is known of it any more. */
  forget(): void {
    this.#records.update(this.#key, (record) => {
      for (const field of [UNHEALTHY, ...COUNTED]) record.set(field, 0)
      record.expiresAt = 0
    })
  }

  #fail(field: number, limit: number): void {
    // More of the same says nothing new.
    if (limit === 0 || (!this.healthy && this.#records.peek(this.#key, SUCCESSES) === 0)) return
    this.#change((record) => {
      record.set(SUCCESSES, 0)
      const count = record.get(field) + 1
      record.set(field, count)
      if (count >= limit) record.set(UNHEALTHY, 1)
    })
  }

  #change(change: (record: SharedRecord) => void): void {
    this.#records.update(this.#key, (record) => {
      record.expiresAt = KEPT
      change(record)
    })
  }
}
