import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { ChangeSet, Store, Subscription } from '#watch'
import type { KubeProxyConfiguration } from './config/configuration.ts'
import { applyConntrackSysctls } from './conntrack/sysctls.ts'
import type { EndpointRow, ServiceRow } from './describe.ts'
import { NO_EVENTS, type RecordEvent } from './events.ts'
import { Inquiry } from './inquiry.ts'
import { familyLabel, ProxyMetrics } from './metrics.ts'
import { type NodeState, nodeState } from './node-view.ts'
import { Programmer } from './programmer.ts'
import { observeProgramming } from './programming-latency.ts'
import { type FamilyHealth, healthAnswers } from './serve/health-answers.ts'
import type { Listener } from './serve/listen.ts'
import { metricsAnswers } from './serve/metrics-answers.ts'
import { openServers } from './serve/servers.ts'
import { ServiceHealthServers } from './serve/service-health.ts'
import type { TableSocket } from './sync/kernel-state.ts'
import type { Trace, TraceRequest } from './trace/trace.ts'

/** How often addresses and neighbours that no event tells of are looked at. */
const HOUSEKEEPING_MS = 30_000

export interface ProxyOptions {
  readonly store: Store
  readonly nodeName: string
  readonly config: KubeProxyConfiguration
  readonly log: Logger
  readonly metrics: Registry
  /** Path of the network namespace to program; by default that of this process. Listeners are always in that of this process. */
  readonly netns?: string | undefined
  /** the connection to nf_tables, if it is to be another than the usual */
  readonly openSocket?: (() => TableSocket) | undefined
  readonly recordEvent?: RecordEvent | undefined
}

export interface ProxyComponent {
  readonly name: string
  /** Not ok as kube-proxy's /healthz: changes wait for longer than two sync periods. */
  health(): { ok: boolean; detail?: string }
  /** Stops following changes. The rules stay, so that the node keeps forwarding; see cleanup(). */
  stop(): Promise<void>
  /** What every port of every Service is programmed as. JSON-able. */
  describeServices(): ServiceRow[]
  /** Every endpoint, and why it is used or not. JSON-able. */
  describeEndpoints(): EndpointRow[]
  /** What would happen to a connection, rule by rule. JSON-able. */
  trace(request: TraceRequest): Trace
}

/** Starts programming Services into nf_tables; resolves when everything the store holds is in the kernel. */
export async function startProxy(options: ProxyOptions): Promise<ProxyComponent> {
  const proxy = new ServiceProxy(options)
  await proxy.start()
  return proxy
}

class ServiceProxy implements ProxyComponent {
  readonly name = 'proxy'
  readonly #options: ProxyOptions
  readonly #store: Store
  readonly #config: KubeProxyConfiguration
  readonly #nodeName: string
  readonly #log: Logger
  readonly #metrics: ProxyMetrics
  readonly #programmer: Programmer
  readonly #serviceHealth: ServiceHealthServers
  readonly #inquiry: Inquiry
  readonly #started = Date.now()
  #node: NodeState
  #servers: Listener | undefined
  #subscription: Subscription | undefined
  #housekeeping: NodeJS.Timeout | undefined
  #lastFull = performance.now()

  constructor(options: ProxyOptions) {
    const { store, config, log, netns, recordEvent = NO_EVENTS } = options
    this.#options = options
    this.#store = store
    this.#config = config
    this.#nodeName = config.hostnameOverride || options.nodeName
    this.#log = log
    this.#metrics = new ProxyMetrics(options.metrics)
    this.#node = nodeState(this.#nodeName, undefined, config)
    const { openSocket } = options
    const shared = { store, config, log, metrics: this.#metrics, recordEvent, netns, openSocket }
    this.#programmer = new Programmer({ ...shared, node: this.#node })
    this.#serviceHealth = new ServiceHealthServers({
      store,
      nodeName: this.#nodeName,
      identity: config,
      nodePortAddresses: config.nodePortAddresses,
      primaryAddresses: () => this.#node.addresses,
      proxyHealthy: () => this.#familyHealth().every(({ healthy }) => healthy),
      log,
      recordEvent,
    })
    this.#inquiry = new Inquiry({
      store,
      config,
      node: () => this.#node,
      families: () => this.#programmer.families,
    })
  }

  async start(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async #start(): Promise<void> {
    const { metrics, netns } = this.#options
    const health = {
      families: () => this.#familyHealth(),
      node: () => this.#store.get('Node', this.#nodeName),
    }
    this.#servers = await openServers({
      config: this.#config,
      health: healthAnswers(health, this.#metrics),
      metrics: metricsAnswers(this.#config, metrics),
      log: this.#log,
    })
    applyConntrackSysctls(this.#config.conntrack, { netns, log: this.#log })
    await this.#follow()
    this.#log.info({ services: this.#store.size('Service'), node: this.#nodeName }, 'Services are programmed')
    this.#programmer.start()
    this.#housekeep()
    this.#housekeeping = setInterval(() => this.#housekeep(), HOUSEKEEPING_MS).unref()
    if (this.#node.addresses.length === 0 && this.#config.nodePortAddresses.includes('primary')) {
      this.#log.warn(
        { object: `Node ${this.#nodeName}` },
        'no InternalIP is known for this node: node ports are not offered',
      )
    }
  }

  /** Subscribes; resolves when everything there is has been programmed. */
  #follow(): Promise<void> {
    const first = Promise.withResolvers<void>()
    this.#subscription = this.#store.subscribe(
      {
        name: 'proxy',
        kinds: ['Node', 'EndpointSlice', 'ServiceCIDR'],
        services: true,
        coalesceMs: this.#config.nftables.minSyncPeriod,
      },
      (changes) => {
        try {
          this.#take(changes)
          first.resolve()
        } catch (error) {
          first.reject(error)
        }
      },
    )
    return first.promise
  }

  health(): { ok: boolean; detail?: string } {
    const notes = this.#programmer.families.flatMap(({ family, failure }) =>
      failure === undefined ? [] : [`${familyLabel(family)}: ${failure.message}`],
    )
    const refused = new Set(this.#programmer.families.flatMap(({ quarantined }) => [...quarantined.keys()]))
    if (refused.size > 0) notes.push(`not programmed: ${[...refused].join(', ')}`)
    const { rival } = this.#programmer
    if (rival !== undefined) notes.push(rival)
    const ok = this.#familyHealth().every(({ healthy }) => healthy)
    return notes.length === 0 ? { ok } : { ok, detail: notes.join('; ') }
  }

  async stop(): Promise<void> {
    this.#subscription?.close()
    clearInterval(this.#housekeeping)
    await Promise.all([this.#servers?.close(), this.#serviceHealth.close()])
    this.#programmer.stop()
  }

  describeServices(): ServiceRow[] {
    return this.#inquiry.services()
  }

  describeEndpoints(): EndpointRow[] {
    return this.#inquiry.endpoints()
  }

  trace(request: TraceRequest): Trace {
    return this.#inquiry.trace(request)
  }

  #familyHealth(): FamilyHealth[] {
    const limit = 2 * this.#config.nftables.syncPeriod
    return this.#programmer.families.map(({ family, failure, lastUpdated }) => ({
      label: familyLabel(family),
      healthy: failure === undefined || performance.now() - failure.since < limit,
      lastUpdated,
    }))
  }

  #take(changes: ChangeSet): void {
    for (const { family } of this.#programmer.families)
      this.#metrics.lastQueued.setToCurrentTime({ ip_family: familyLabel(family) })
    const own = this.#store.get('Node', this.#nodeName)
    const node = nodeState(this.#nodeName, own, this.#config, this.#store.list('ServiceCIDR'))
    const changed = node.fingerprint !== this.#node.fingerprint
    this.#node = node
    this.#metrics.serviceChanges.inc(changes.services.size)
    this.#metrics.endpointChanges.inc(changes.objects('EndpointSlice').size)
    this.#metrics.servicePending.inc(changes.services.size)
    this.#metrics.endpointPending.inc(changes.objects('EndpointSlice').size)
    this.#serviceHealth.update(changes.services)
    if (changed) this.#serviceHealth.refresh()
    this.#programmer.program({
      node: changed ? node : undefined,
      all: changes.initial,
      services: changes.services,
    })
    this.#metrics.eventToKernel.observe((performance.now() - changes.at) / 1000)
    observeProgramming(changes, { since: this.#started, metrics: this.#metrics })
  }

  #housekeep(): void {
    this.#serviceHealth.refresh()
    const all = performance.now() - this.#lastFull >= this.#config.configSyncPeriod
    if (all) this.#lastFull = performance.now()
    this.#programmer.recheck({ all })
  }
}
