import type { Corefile } from '../corefile/parse.ts'
import type { FamilySamples } from '../metrics/metrics.ts'

/** What a worker serves. */
export interface Order {
  readonly corefile: Corefile
  readonly defaultPort: number
  /** the primary's ports by server label */
  readonly ports: Readonly<Record<string, number>>
}

/** From the primary to a worker. */
export type ToWorker =
  | ({ readonly type: 'serve'; readonly replica: boolean } & Order)
  | { readonly type: 'scrape'; readonly id: number }
  | { readonly type: 'stop' }

/** From a worker to the primary. */
export type FromWorker =
  | { readonly type: 'serving' }
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'samples'; readonly id: number; readonly families: readonly FamilySamples[] }
  | { readonly type: 'troubles'; readonly troubles: readonly string[] }

/** Descriptor of the stream with the replica of the watch cache, after stdio and the IPC channel. */
export const replicaDescriptor = 4
