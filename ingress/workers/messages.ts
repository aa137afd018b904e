import type { MetricObjectWithValues, MetricValue } from 'prom-client'
import type { GatewayConfig } from '../config/gateway-config.ts'
import type { ObjectChange } from '../objects/index.ts'

export type MetricSamples = MetricObjectWithValues<MetricValue<string>>

/** From the primary to a worker. */
export type ToWorker =
  /** Serve with this configuration and these objects, be it for the first time or instead of others. */
  | { readonly type: 'serve'; readonly config: GatewayConfig; readonly changes: readonly ObjectChange[] }
  | { readonly type: 'apply'; readonly revision: number; readonly changes: readonly ObjectChange[] }
  | { readonly type: 'scrape'; readonly id: number }
  | { readonly type: 'exposition'; readonly id: number; readonly text: string }
  | { readonly type: 'stop' }

/** From a worker to the primary. */
export type FromWorker =
  | { readonly type: 'serving' }
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'applied'; readonly revision: number }
  | { readonly type: 'samples'; readonly id: number; readonly samples: readonly MetricSamples[] }
  | { readonly type: 'log'; readonly line: string }
  /** Asks for the metrics of all processes. */
  | { readonly type: 'expose'; readonly id: number }
