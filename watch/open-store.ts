import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { NamespaceController } from './control/namespace-controller.ts'
import { ServiceAllocation } from './control/service-allocation.ts'
import { SliceController } from './control/slice-controller.ts'
import { SnapshotMetrics } from './snapshot/snapshot-metrics.ts'
import { SnapshotSource } from './snapshot/snapshot-source.ts'
import { SnapshotWriter } from './snapshot/snapshot-writer.ts'
import type { Source } from './source.ts'
import { Store } from './store/store.ts'

export interface OpenStoreOptions {
  readonly source: Source
  readonly log: Logger
  /** this node: decides between EndpointSlices that disagree about one address */
  readonly nodeName?: string | undefined
  readonly metrics?: Registry | undefined
  /**
   * networks that ClusterIPs are given from where a standalone source leaves them open, one per
   * family, separated by commas (10.96.0.0/12 by default)
   */
  readonly serviceCIDR?: string | undefined
  /** keeps the last known state on disk and begins with it while the API server is away */
  readonly snapshot?: SnapshotOptions | undefined
}

export interface SnapshotOptions {
  readonly file: string
  /** how long the API server is given to answer before the snapshot stands in (3 s) */
  readonly graceMs?: number | undefined
  /** at least this long between two writes (30 s) */
  readonly everyMs?: number | undefined
}

/** A large cluster's snapshot is written less often: on average no more than this. */
const bytesPerSecond = 1 << 20

/**
 * Opens a store on a source and resolves when the first complete state is in it; end it with `close`.
 * For a standalone source the store also does what controllers of the control plane would.
 * Throws what the source throws at start, and ServiceCIDRError.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { source, log, nodeName, metrics } = options
  const store = source.standalone ? standaloneStore(options) : new Store({ log, nodeName, metrics })
  if (options.snapshot !== undefined && source.scope !== undefined) {
    await runWithSnapshot(store, options, { ...options.snapshot, scope: source.scope })
  } else await store.run(source)
  return store
}

async function runWithSnapshot(
  store: Store,
  { source, log, metrics: registry }: OpenStoreOptions,
  { file, scope, graceMs = 3000, everyMs = 30_000 }: SnapshotOptions & { scope: string },
): Promise<void> {
  const metrics = new SnapshotMetrics(registry)
  const begun = new SnapshotSource({ source, file, scope, log, metrics, graceMs })
  await store.run(begun)
  const worthwhile = (): boolean => !begun.stale
  const writer = new SnapshotWriter({ store, file, scope, log, metrics, worthwhile, everyMs, bytesPerSecond })
  store.onClose(() => writer.close())
}

function standaloneStore({ log, nodeName, metrics, serviceCIDR = '10.96.0.0/12' }: OpenStoreOptions): Store {
  const allocation = new ServiceAllocation({ serviceCIDR, log })
  return new Store({
    log,
    nodeName,
    metrics,
    admit: (object) => allocation.admit(object),
    // Namespaces last: they count what the others made.
    controllers: (store) => [allocation, new SliceController(store), new NamespaceController()],
  })
}
