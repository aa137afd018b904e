import type { Logger } from 'pino'
import { Registry } from 'prom-client'
import type { Store } from '#watch'
import { type CorefileSource, openCorefile } from './component/load.ts'
import { Serving } from './component/serving.ts'
import type { Corefile } from './corefile/parse.ts'
import { MetricFamilies } from './metrics/metrics.ts'
import { type NodeLocalOptions, setUpNodeLocal } from './node-local/node-local.ts'
import { workersOf } from './plugins/multisocket/setup.ts'
import { WorkerPool } from './workers/pool.ts'

export interface DnsOptions {
  /** the cluster, for the kubernetes plugin; without it a Corefile that has the plugin is an error */
  readonly store?: Store | undefined
  /** path of the Corefile, 'stdin', its text, or undefined for ./Corefile */
  readonly corefile?: CorefileSource
  /** port of blocks that name none (53); 0 takes a free one, for tests */
  readonly port?: number | undefined
  readonly log: Logger
  readonly metrics?: Registry | undefined
  /** for `{$NAME}` in the Corefile */
  readonly environment?: NodeJS.ProcessEnv | undefined
  /** processes that answer, this one included (1); `multisocket N` in the Corefile wins */
  readonly workers?: number | undefined
  /** addresses on an interface of our own (NodeLocal DNSCache's job); they are there before the Corefile is set up */
  readonly nodeLocal?: NodeLocalOptions | undefined
}

export interface DnsComponent {
  readonly name: 'dns'
  /** not ok while a plugin cannot do its work (forwarding loop, no cluster data yet) */
  health(): { ok: boolean; detail?: string }
  /** Stops: not ready at once, then serves on for the lameduck time, then answers what is under way and closes. */
  stop(options?: { readonly lameduck?: boolean | undefined }): Promise<void>
  /** Reads the Corefile again; the old configuration stays when the new one is wrong. True if a new one serves now. */
  reload(): Promise<boolean>
  /** Ports queries are answered on. */
  ports(): readonly number[]
  addresses(): readonly string[]
  /** Where an HTTP address of the Corefile listens, e.g. httpPort('127.0.0.1:0'). */
  httpPort(address: string): number | undefined
  /** Process ids of the worker processes beside this one, by number. */
  workers(): ReadonlyMap<number, number>
}

/** Starts the server a Corefile describes; resolves when it answers. Throws DnsError. */
export async function startDns(options: DnsOptions): Promise<DnsComponent> {
  const { store, nodeLocal, log } = options
  const metrics = new MetricFamilies(options.metrics ?? new Registry())
  const defaultPort = options.port ?? 53
  const pool = new WorkerPool({ store, log })
  metrics.include(() => pool.scrape())
  const local = nodeLocal === undefined ? undefined : await setUpNodeLocal(nodeLocal, { log, metrics })
  const serving = new Serving({
    store,
    log,
    metrics,
    defaultPort,
    parse: () => {
      const source = openCorefile(options.corefile, {
        environment: options.environment,
        pillars: local?.pillars,
      })
      return source
    },
    reusePort: true,
    onActivated: async (corefile: Corefile) => {
      const order = { corefile, defaultPort, ports: serving.listeners.portsByLabel() }
      await pool.serve(order, (workersOf(corefile) ?? options.workers ?? 1) - 1)
    },
  })
  try {
    await serving.start()
  } catch (error) {
    await pool.stop()
    local?.tearDown()
    throw error
  }

  const stop = async (lameduck: boolean): Promise<void> => {
    // The workers serve until this process has closed: what the lameduck time is for holds for all of them.
    await serving.stop({ lameduck })
    await pool.stop()
    local?.tearDown()
  }
  let stopping: Promise<void> | undefined

  return {
    name: 'dns',
    health: () => {
      const troubles = [...serving.troubles(), ...pool.troubles(), ...(local?.troubles() ?? [])]
      return troubles.length === 0 ? { ok: true } : { ok: false, detail: troubles.join('; ') }
    },
    stop: (how = {}) => (stopping ??= stop(how.lameduck ?? true)),
    reload: () => serving.reload(),
    ports: () => serving.listeners.ports(),
    addresses: () => serving.listeners.addresses(),
    httpPort: (address) => serving.endpoints.portOf(address),
    workers: () => pool.pids(),
  }
}
