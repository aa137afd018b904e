import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { ConntrackSocket, NetlinkError, NftSocket } from '#netlink'
import type { ChangeSet, Store, Subscription } from '#watch'
import type { KubeProxyConfiguration } from './config/configuration.ts'
import type { ConntrackTable } from './conntrack/reconcile.ts'
import { type EndpointRow, endpointRows, type ServiceRow, serviceRows } from './describe.ts'
import { FamilyProxy } from './family-proxy.ts'
import { familyLabel, ProxyMetrics } from './metrics.ts'
import type { Family } from './model/bytes.ts'
import { type NodeState, nodeState } from './node-view.ts'
import { observeProgramming } from './programming-latency.ts'
import type { TableSocket } from './sync/kernel-state.ts'

/** Pause after the last change before chains out of use are deleted; a Service often comes back to its size. */
const GARBAGE_DELAY_MS = 5_000
/** How often a look is taken whether others changed our tables. */
const AUDIT_PERIOD_MS = 1_000
/** A comparison of every element blocks for a while on a large cluster; it may take one part of the time in so many. */
const THOROUGH_RATIO = 500
const FIRST_RETRY_MS = 250
/** Errors of a kernel that has no IPv6 (or no nf_tables for it). */
const NO_FAMILY = new Set(['EAFNOSUPPORT', 'EOPNOTSUPP', 'EPROTONOSUPPORT'])

export interface ProxyOptions {
  readonly store: Store
  readonly nodeName: string
  readonly config: KubeProxyConfiguration
  readonly log: Logger
  readonly metrics: Registry
  /** the connection to nf_tables; by default one in the network namespace of this process */
  readonly openSocket?: (() => TableSocket) | undefined
  /** likewise the connection to ctnetlink */
  readonly openConntrack?: (() => ConntrackTable) | undefined
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
}

/** Starts programming Services into nf_tables; resolves when everything the store holds is in the kernel. */
export async function startProxy(options: ProxyOptions): Promise<ProxyComponent> {
  const proxy = new ServiceProxy(options)
  await proxy.start()
  return proxy
}

class ServiceProxy implements ProxyComponent {
  readonly name = 'proxy'
  readonly #store: Store
  readonly #config: KubeProxyConfiguration
  readonly #nodeName: string
  readonly #log: Logger
  readonly #metrics: ProxyMetrics
  readonly #socket: TableSocket
  readonly #conntrack: ConntrackTable
  readonly #started = Date.now()
  #node: NodeState
  #families: FamilyProxy[]
  #subscription: Subscription | undefined
  #audit: NodeJS.Timeout | undefined
  #garbage: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #retryMs = FIRST_RETRY_MS
  #nextThorough = 0
  #lastFull = performance.now()

  constructor(options: ProxyOptions) {
    this.#store = options.store
    this.#config = options.config
    this.#nodeName = options.config.hostnameOverride || options.nodeName
    this.#log = options.log
    this.#metrics = new ProxyMetrics(options.metrics)
    this.#node = nodeState(this.#nodeName, undefined, options.config)
    this.#socket = (options.openSocket ?? (() => new NftSocket()))()
    this.#conntrack = (options.openConntrack ?? (() => new ConntrackSocket()))()
    this.#families = ([4, 6] as const).map((family) => this.#openFamily(family))
  }

  async start(): Promise<void> {
    const first = Promise.withResolvers<void>()
    this.#subscription = this.#store.subscribe(
      {
        name: 'proxy',
        kinds: ['Node', 'EndpointSlice'],
        services: true,
        coalesceMs: this.#config.nftables.minSyncPeriod,
      },
      (changes) => {
        try {
          this.#take(changes)
          first.resolve()
        } catch (error) {
          first.reject(error)
          this.#scheduleRetry(error)
        }
      },
    )
    try {
      await first.promise
    } catch (error) {
      await this.stop()
      throw error
    }
    this.#log.info({ services: this.#store.size('Service'), node: this.#nodeName }, 'Services are programmed')
    this.#audit = setInterval(() => this.#auditTables(), AUDIT_PERIOD_MS).unref()
    if (this.#node.addresses.length === 0 && this.#config.nodePortAddresses.includes('primary')) {
      this.#log.warn(
        { object: `Node ${this.#nodeName}` },
        'no InternalIP is known for this node: node ports are not offered',
      )
    }
  }

  health(): { ok: boolean; detail?: string } {
    const limit = 2 * this.#config.nftables.syncPeriod
    const failures = this.#families.flatMap(({ family, failure }) =>
      failure === undefined ? [] : [{ ...failure, text: `${familyLabel(family)}: ${failure.message}` }],
    )
    const refused = new Set(this.#families.flatMap(({ table }) => [...table.quarantined.keys()]))
    const notes = failures.map(({ text }) => text)
    if (refused.size > 0) notes.push(`the kernel refuses ${[...refused].join(', ')}`)
    const ok = failures.every(({ since }) => performance.now() - since < limit)
    return notes.length === 0 ? { ok } : { ok, detail: notes.join('; ') }
  }

  async stop(): Promise<void> {
    this.#subscription?.close()
    clearInterval(this.#audit)
    clearTimeout(this.#garbage)
    clearTimeout(this.#retry)
    this.#socket.close()
    this.#conntrack.close()
  }

  describeServices(): ServiceRow[] {
    return [...this.#store.list('Service')].flatMap((service) =>
      serviceRows(service, this.#endpointsOf(service.metadata), this.#describeContext()),
    )
  }

  describeEndpoints(): EndpointRow[] {
    return [...this.#store.list('Service')].flatMap((service) =>
      endpointRows(service, this.#endpointsOf(service.metadata), this.#describeContext()),
    )
  }

  #take(changes: ChangeSet): void {
    for (const { family } of this.#families)
      this.#metrics.lastQueued.setToCurrentTime({ ip_family: familyLabel(family) })
    const node = nodeState(this.#nodeName, this.#store.get('Node', this.#nodeName), this.#config)
    const changed = node.fingerprint !== this.#node.fingerprint
    this.#node = node
    for (const family of this.#families) {
      if (changed) family.setNode(node)
      else if (changes.initial) family.markAll()
      family.mark(changes.services)
    }
    this.#metrics.serviceChanges.inc(changes.services.size)
    this.#metrics.endpointChanges.inc(changes.objects('EndpointSlice').size)
    this.#sync()
    this.#metrics.eventToKernel.observe((performance.now() - changes.at) / 1000)
    observeProgramming(changes, { since: this.#started, metrics: this.#metrics })
  }

  /** Programs all families; one that fails does not keep the other from it. */
  #sync(): void {
    const errors: unknown[] = []
    for (const family of [...this.#families]) {
      try {
        family.sync()
      } catch (error) {
        if (family.family === 6 && error instanceof NetlinkError && NO_FAMILY.has(error.code)) {
          this.#log.warn({ reason: error.message }, 'this kernel has no IPv6 tables: only IPv4 is programmed')
          this.#families = this.#families.filter((other) => other !== family)
        } else {
          errors.push(error)
        }
      }
    }
    this.#cleanConntrack()
    this.#scheduleGarbage()
    if (errors.length > 0) throw errors[0]
    this.#retryMs = FIRST_RETRY_MS
  }

  /** After the rules: a connection begun in between goes to an endpoint that is alive. */
  #cleanConntrack(): void {
    for (const family of this.#families) {
      try {
        family.cleanConntrack(this.#conntrack)
      } catch (error) {
        this.#log.warn(
          { err: error, ip_family: familyLabel(family.family) },
          'UDP connections could not be cleaned',
        )
      }
    }
  }

  #scheduleRetry(error: unknown): void {
    this.#log.error(
      { err: error, retryMs: this.#retryMs },
      'programming nf_tables failed; the previous rules stay',
    )
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => this.#guarded(() => this.#sync()), this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, this.#config.nftables.syncPeriod)
  }

  #scheduleGarbage(): void {
    if (this.#garbage !== undefined) return
    this.#garbage = setTimeout(() => {
      this.#garbage = undefined
      this.#guarded(() => {
        for (const { table } of this.#families) table.collectGarbage()
      })
    }, GARBAGE_DELAY_MS).unref()
  }

  #auditTables(): void {
    if (this.#families.some(({ failure }) => failure !== undefined)) return
    const now = performance.now()
    const thorough = now >= this.#nextThorough
    this.#guarded(() => {
      if (now - this.#lastFull >= this.#config.configSyncPeriod) {
        this.#lastFull = now
        for (const family of this.#families) family.markAll()
        this.#sync()
      }
      for (const family of this.#families) family.audit({ thorough })
      if (!thorough) return
      const cost = performance.now() - now
      this.#nextThorough = now + Math.max(this.#config.nftables.syncPeriod, cost * THOROUGH_RATIO)
    })
  }

  #guarded(body: () => void): void {
    try {
      body()
    } catch (error) {
      this.#scheduleRetry(error)
    }
  }

  #openFamily(family: Family): FamilyProxy {
    return new FamilyProxy({
      family,
      socket: this.#socket,
      store: this.#store,
      config: this.#config,
      node: this.#node,
      log: this.#log,
      metrics: this.#metrics,
    })
  }

  #endpointsOf({ namespace, name }: { readonly namespace: string; readonly name: string }) {
    return this.#store.endpoints.of(`${namespace}/${name}`)
  }

  #describeContext() {
    const tableOf = (family: Family) => this.#families.find((candidate) => candidate.family === family)?.table
    return {
      view: this.#node.view,
      refused: (service: string, family: Family) => tableOf(family)?.quarantined.get(service)?.message,
      conflicts: (service: string, family: Family): string[] => {
        const rivals = new Set(tableOf(family)?.ledger.rivalsOf(service))
        return [...rivals].map((rival) => `Service ${rival} has an address and port of this one`)
      },
    }
  }
}
