import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Source } from './source.ts'
import { Store } from './store/store.ts'

export interface OpenStoreOptions {
  readonly source: Source
  readonly log: Logger
  /** this node: decides between EndpointSlices that disagree about one address */
  readonly nodeName?: string | undefined
  readonly metrics?: Registry | undefined
}

/** Opens a store on a source and resolves when the first complete state is in it. End it with `close`. */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { source, log, nodeName, metrics } = options
  const store = new Store({ log, nodeName, metrics })
  await store.run(source)
  return store
}
