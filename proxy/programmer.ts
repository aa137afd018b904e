import type { Logger } from 'pino'
import { ConntrackSocket, NetlinkError, NftMonitor, NftSocket } from '#netlink'
import type { Store } from '#watch'
import type { KubeProxyConfiguration } from './config/configuration.ts'
import type { ConntrackTable } from './conntrack/reconcile.ts'
import type { RecordEvent } from './events.ts'
import { FamilyProxy } from './family-proxy.ts'
import { familyLabel, type ProxyMetrics } from './metrics.ts'
import type { NodeState } from './node-view.ts'
import { describeOther, type OtherProxy, otherProxy } from './other-proxy.ts'
import type { TableSocket } from './sync/kernel-state.ts'
import { OwnCommits } from './sync/own-commits.ts'
import { TableGuard } from './table-guard.ts'

/** Pause after the last change before chains out of use are deleted; a Service often comes back to its size. */
const GARBAGE_DELAY_MS = 5_000
const FIRST_RETRY_MS = 250
/** Errors of a kernel that has no IPv6 (or no nf_tables for it). */
const NO_FAMILY = new Set(['EAFNOSUPPORT', 'EOPNOTSUPP', 'EPROTONOSUPPORT'])

export interface ProgrammerOptions {
  readonly store: Store
  readonly config: KubeProxyConfiguration
  readonly node: NodeState
  readonly log: Logger
  readonly metrics: ProxyMetrics
  readonly recordEvent: RecordEvent
  readonly netns: string | undefined
  readonly openSocket: (() => TableSocket) | undefined
}

/** What changed, for all families. */
export interface Work {
  /** the node's new state, if that matters */
  readonly node?: NodeState | undefined
  /** compute and compare everything */
  readonly all: boolean
  readonly services: ReadonlySet<string>
}

/** Both families' tables: keeps them as they should be, whatever fails or interferes. */
export class Programmer {
  readonly #log: Logger
  readonly #config: KubeProxyConfiguration
  readonly #metrics: ProxyMetrics
  readonly #commits: OwnCommits
  readonly #conntrack: ConntrackTable
  readonly #guard: TableGuard
  #families: FamilyProxy[]
  #garbage: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #retryMs = FIRST_RETRY_MS
  readonly #netns: string | undefined
  #rival: OtherProxy | undefined

  constructor(options: ProgrammerOptions) {
    const { store, config, log, netns, metrics, node, recordEvent } = options
    this.#log = log
    this.#config = config
    this.#metrics = metrics
    this.#netns = netns
    const guard: TableGuard = new TableGuard({
      families: () => this.#families,
      openMonitor: (handlers) => new NftMonitor({ netns, ...handlers }),
      untold: () => this.#commits.untold,
      period: config.nftables.syncPeriod,
      guarded: (body) => this.#guarded(body),
      log,
    })
    this.#guard = guard
    const socket = (options.openSocket ?? (() => new NftSocket({ netns })))()
    this.#commits = new OwnCommits(socket, (commit) => guard.unheard(commit))
    this.#conntrack = new ConntrackSocket({ netns })
    const shared = { socket: this.#commits, store, config, node, log, metrics, recordEvent }
    this.#families = ([4, 6] as const).map((family) => new FamilyProxy({ family, ...shared }))
  }

  get families(): readonly FamilyProxy[] {
    return this.#families
  }

  /** What is known of a kube-proxy beside us, as last seen. */
  get rival(): string | undefined {
    return this.#rival === undefined ? undefined : describeOther(this.#rival)
  }

  /** Begins to look after tampering. */
  start(): void {
    this.#guard.start()
  }

  stop(): void {
    this.#guard.stop()
    clearTimeout(this.#garbage)
    clearTimeout(this.#retry)
    this.#commits.close()
    this.#conntrack.close()
  }

  /** Programs changes; throws what the kernel refused, and will try again by itself. */
  program({ node, all, services }: Work): void {
    for (const family of this.#families) {
      if (node !== undefined) family.setNode(node)
      else if (all) family.markAll()
      family.mark(services)
    }
    try {
      this.#sync()
    } catch (error) {
      this.#scheduleRetry(error)
      throw error
    }
  }

  /** Programs all families; one that fails does not keep the other from it. */
  #sync(): void {
    const errors: unknown[] = []
    for (const family of [...this.#families]) {
      try {
        family.sync()
      } catch (error) {
        if (family.family === 6 && family.lastUpdated === 0 && isUnsupported(error)) {
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
    this.#metrics.servicePending.set(0)
    this.#metrics.endpointPending.set(0)
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
        for (const { family, table } of this.#families) {
          const outcome = table.collectGarbage()
          if (outcome === 'refused') this.#metrics.cleanupFailures.inc({ ip_family: familyLabel(family) })
          if (outcome === 'again') this.#scheduleGarbage()
        }
      })
    }, GARBAGE_DELAY_MS).unref()
  }

  /** Looks at what no event tells of; `all`: computes and compares everything, too. */
  recheck({ all }: { all: boolean }): void {
    this.#guarded(() => {
      this.#noteRival()
      if (!all) return
      for (const family of this.#families) family.markAll()
      this.#sync()
    })
  }

  /** Looks whether a kube-proxy is at work beside us, and says so once. */
  #noteRival(): void {
    const rival = otherProxy(this.#commits, this.#netns)
    if (rival !== undefined && describeOther(rival) !== this.rival) {
      const advice =
        rival.pid === undefined ? 'run kube-proxy --cleanup' : 'stop it, and run kube-proxy --cleanup'
      this.#log.warn(rival, `${describeOther(rival)}: ${advice}`)
    }
    this.#rival = rival
  }

  /** Runs work that may fail because the kernel refuses; then it is tried again. */
  #guarded(body: () => void): void {
    try {
      body()
    } catch (error) {
      this.#scheduleRetry(error)
    }
  }
}

/** Said of the first commit already; later the same codes mean something else. */
function isUnsupported(error: unknown): error is NetlinkError {
  return error instanceof NetlinkError && NO_FAMILY.has(error.code)
}
