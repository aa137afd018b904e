import type { KeyHash, RecordSpace } from '../../sharing/index.ts'
import type { Server } from '../nodes.ts'
import { probe } from './probe.ts'
import { ServerHealth } from './server-health.ts'
import type { ActiveChecks, Checks } from './settings.ts'

const TICK_MS = 250

/** The group's own record: 1 once somebody uses it. */
const USED = 0

/**
 * Health of an upstream's servers: probed (active) by the first process, and watched while they serve (passive) by all.
 * Outlives changes of the servers.
 */
export class HealthChecker {
  #checks: Checks
  #servers: readonly Server[] = []
  readonly #health = new Map<string, ServerHealth>()
  readonly #records: RecordSpace
  readonly #used: KeyHash
  #timer: NodeJS.Timeout | undefined
  #started = false
  #running = 0

  /** `records`: where the health of this upstream's servers is kept. */
  constructor(checks: Checks, records: RecordSpace) {
    this.#checks = checks
    this.#records = records
    this.#used = records.key('')
  }

  update(checks: Checks, servers: readonly Server[]): void {
    this.#checks = checks
    this.#servers = servers
    const names = new Set(servers.map((server) => server.name))
    for (const [name, health] of this.#health) {
      if (names.has(name)) continue
      this.#health.delete(name)
      if (this.#probes) health.forget()
    }
    if (this.#probes && checks.active !== undefined)
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref()
  }

  get #probes(): boolean {
    return this.#records.records.process === 0
  }

  /** Probing begins with the first request, so that upstreams nobody uses are left alone. */
  start(): void {
    if (this.#started || this.#checks.active === undefined) return
    this.#started = true
    this.#records.records.update(this.#used, (record) => {
      record.set(USED, 1)
      record.expiresAt = Number.MAX_VALUE
    })
    if (this.#probes) this.#tick()
  }

  /** Nobody will ask again, in no process. */
  forget(): void {
    if (!this.#probes) return
    for (const health of this.#health.values()) health.forget()
    this.#records.records.update(this.#used, (record) => {
      record.set(USED, 0)
      record.expiresAt = 0
    })
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  of(server: Server): ServerHealth {
    let health = this.#health.get(server.name)
    if (health === undefined) {
      health = new ServerHealth(this.#records, server.name)
      this.#health.set(server.name, health)
    }
    return health
  }

  isHealthy(server: Server): boolean {
    return this.of(server).healthy
  }

  /** A request was answered. */
  answered(server: Server, status: number): void {
    const { passive } = this.#checks
    if (passive !== undefined) this.of(server).answered(status, passive.healthy, passive.unhealthy)
  }

  /** A request got no answer. */
  failed(server: Server, kind: 'unreachable' | 'timeout'): void {
    const { passive } = this.#checks
    if (passive === undefined) return
    if (kind === 'timeout') this.of(server).timedOut(passive.unhealthy)
    else this.of(server).unreachable(passive.unhealthy)
  }

  #tick(): void {
    const { active } = this.#checks
    if (active === undefined || this.#records.records.peek(this.#used, USED) === 0) return
    const now = performance.now()
    for (const server of this.#servers) {
      if (this.#running >= active.concurrency) return
      const health = this.of(server)
      if (!health.probing && health.nextProbe <= now) void this.#probe(server, health, active)
    }
  }

  async #probe(server: Server, health: ServerHealth, active: ActiveChecks): Promise<void> {
    health.probing = true
    this.#running++
    const result = await probe(active, server)
    this.#running--
    health.probing = false
    if (result === 'timeout') health.timedOut(active.unhealthy)
    else if (result === 'unreachable') health.unreachable(active.unhealthy)
    else if (result === 'open') health.succeeded(active.healthy)
    else health.answered(result, active.healthy, active.unhealthy)
    const { interval } = health.healthy ? active.healthy : active.unhealthy
    // An interval of 0 means: no probes in this state.
    health.nextProbe = interval === 0 ? Number.POSITIVE_INFINITY : performance.now() + interval * 1000
  }
}
