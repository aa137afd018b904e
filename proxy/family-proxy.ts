import type { Logger } from 'pino'
import type { Store } from '#watch'
import type { KubeProxyConfiguration } from './config/configuration.ts'
import { type ConntrackTable, deleteStaleConnections, parseFrontend } from './conntrack/reconcile.ts'
import { servingEndpoints } from './conntrack/serving.ts'
import type { RecordEvent } from './events.ts'
import { familyLabel, type ProxyMetrics } from './metrics.ts'
import type { Family } from './model/bytes.ts'
import type { FrontendKey } from './model/service-rules.ts'
import { serviceRules } from './model/service-rules.ts'
import { NoLocalEndpoints } from './no-local-endpoints.ts'
import type { NodeState } from './node-view.ts'
import { buildRuleset } from './rules/ruleset.ts'
import type { Change } from './sync/ledger.ts'
import type { OwnCommits } from './sync/own-commits.ts'
import { type Quarantine, TableSync } from './sync/table-sync.ts'
import { tableOf } from './table-name.ts'
import { Unusable } from './unusable.ts'

export interface FamilyProxyOptions {
  readonly family: Family
  readonly socket: OwnCommits
  readonly store: Store
  readonly config: KubeProxyConfiguration
  readonly node: NodeState
  readonly log: Logger
  readonly metrics: ProxyMetrics
  readonly recordEvent: RecordEvent
}

/** One family of the proxy: turns keys of Services into desired rules, and syncs them into its table. */
export class FamilyProxy {
  readonly family: Family
  readonly #options: FamilyProxyOptions
  readonly #label: { ip_family: 'IPv4' | 'IPv6' }
  readonly #table: TableSync
  readonly #pending = new Set<string>()
  readonly #udpTouched = new Set<FrontendKey>()
  readonly #noLocal = new NoLocalEndpoints()
  readonly #unusable: Unusable
  #lastUpdated = 0
  #node: NodeState
  /** performance.now() since when something waits that could not be programmed */
  #failingSince: number | undefined
  #failure: string | undefined

  constructor(options: FamilyProxyOptions) {
    this.family = options.family
    this.#options = options
    this.#node = options.node
    this.#label = { ip_family: familyLabel(options.family) }
    this.#unusable = new Unusable({
      log: options.log,
      recordEvent: options.recordEvent,
      nodeName: () => this.#node.view(options.family).nodeName,
      ipFamily: this.#label.ip_family,
    })
    this.#table = new TableSync({
      table: tableOf(options.family),
      socket: options.socket,
      ruleset: buildRuleset(options.family, options.config, options.node),
      onQuarantine: (service, quarantine) => this.#unusable.refused(service, quarantine),
    })
  }

  get table(): TableSync {
    return this.#table
  }

  /** Services whose latest version is not in the kernel, and why. */
  get quarantined(): ReadonlyMap<string, Quarantine> {
    if (this.#unusable.whole.size === 0) return this.#table.quarantined
    return new Map([...this.#table.quarantined, ...this.#unusable.whole])
  }

  /** Since when changes wait in vain, on performance.now()'s clock, and why. */
  get failure(): { since: number; message: string } | undefined {
    if (this.#failingSince === undefined) return undefined
    return { since: this.#failingSince, message: this.#failure ?? 'unknown' }
  }

  /** When everything known was last in the kernel, in milliseconds since the epoch; 0: never. */
  get lastUpdated(): number {
    return this.#lastUpdated
  }

  /** The node changed in a way that matters: everything is computed anew. */
  setNode(node: NodeState): void {
    this.#node = node
    this.#table.setRuleset(buildRuleset(this.family, this.#options.config, node))
    this.markAll()
  }

  /** Computes and compares everything with the next sync. */
  markAll(): void {
    for (const service of this.#table.ledger.services()) this.#pending.add(service)
    for (const { metadata } of this.#options.store.list('Service'))
      this.#pending.add(`${metadata.namespace}/${metadata.name}`)
    this.#table.doubt()
  }

  mark(services: Iterable<string>): void {
    for (const service of services) this.#pending.add(service)
  }

  /** Programs what is marked. Throws if the kernel refuses; what is marked stays so. */
  sync(): void {
    const { metrics } = this.#options
    const started = performance.now()
    const changes = [...this.#pending].flatMap((service) => this.#changeOf(service))
    try {
      const { full, elements, udpFrontends } = this.#table.sync(changes)
      const seconds = (performance.now() - started) / 1000
      metrics.syncDuration.observe(this.#label, seconds)
      ;(full ? metrics.fullSyncDuration : metrics.partialSyncDuration).observe(this.#label, seconds)
      metrics.elements.inc(this.#label, elements)
      metrics.lastSync.setToCurrentTime(this.#label)
      for (const { service, rules } of changes) this.#noLocal.update(service, rules)
      metrics.noLocalEndpoints.set({ ...this.#label, traffic_policy: 'internal' }, this.#noLocal.internal)
      metrics.noLocalEndpoints.set({ ...this.#label, traffic_policy: 'external' }, this.#noLocal.external)
      this.#lastUpdated = Date.now()
      this.#pending.clear()
      for (const frontend of udpFrontends) this.#udpTouched.add(frontend)
      this.#failingSince = undefined
      this.#failure = undefined
    } catch (error) {
      metrics.syncFailures.inc(this.#label)
      this.#failingSince ??= started
      this.#failure = error instanceof Error ? error.message : String(error)
      throw error
    } finally {
      metrics.quarantined.set(this.#label, this.quarantined.size)
      metrics.incomplete.set(this.#label, this.#unusable.parts.size)
    }
  }

  /** Deletes UDP connections that lead to endpoints which have gone since the last call. */
  cleanConntrack(conntrack: ConntrackTable): void {
    if (this.#udpTouched.size === 0) return
    const { metrics, store } = this.#options
    const started = performance.now()
    const frontends = new Set(this.#udpTouched)
    this.#udpTouched.clear()
    const deleted = deleteStaleConnections(conntrack, {
      family: this.family,
      frontends,
      nodeAddresses: this.#node.addresses,
      serving: (frontend) =>
        servingEndpoints(store, this.#table.ledger.ownerOf(frontend), parseFrontend(frontend, this.family)),
    })
    metrics.conntrackDuration.observe(this.#label, (performance.now() - started) / 1000)
    metrics.conntrackDeleted.inc(this.#label, deleted)
  }

  /** Looks whether someone else changed our table and repairs it. */
  audit(options: { thorough: boolean }): void {
    if (this.#table.audit(options) === 'changed') this.repair()
  }

  /** Compares the table as a whole and writes what differs. */
  repair(): void {
    this.#options.log.warn(
      { ...this.#label, table: tableOf(this.family).table },
      'someone else changed our table; repairing it',
    )
    this.#options.metrics.repairs.inc(this.#label)
    this.#table.doubt()
    this.sync()
  }

  /** The change to program for a Service; none if its rules cannot even be computed, then the previous ones stay. */
  #changeOf(key: string): Change[] {
    const { store } = this.#options
    const service = store.get('Service', key)
    if (service === undefined) {
      this.#unusable.forget(key)
      return [{ service: key, rules: undefined, created: '' }]
    }
    try {
      const rules = serviceRules(service, store.endpoints.of(key), this.#node.view(this.family))
      this.#unusable.leftOut(key, rules.problems)
      return [{ service: key, rules, created: service.metadata.creationTimestamp ?? '' }]
    } catch (error) {
      this.#unusable.broken(key, error)
      this.#table.keep(key)
      return []
    }
  }
}
