import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { NamespaceController } from './control/namespace-controller.ts'
import { ServiceAllocation } from './control/service-allocation.ts'
import { SliceController } from './control/slice-controller.ts'
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
}

/**
 * Opens a store on a source and resolves when the first complete state is in it; end it with `close`.
 * For a standalone source the store also does what controllers of the control plane would.
 * Throws what the source throws at start, and ServiceCIDRError.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { source, log, nodeName, metrics } = options
  const store = source.standalone ? standaloneStore(options) : new Store({ log, nodeName, metrics })
  await store.run(source)
  return store
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
