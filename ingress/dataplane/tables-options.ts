import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { TlsConfig } from '../config/gateway-config.ts'
import type { Plugin } from '../plugins/plugin.ts'
import type { RouterMode } from '../route/index.ts'
import type { SharedRecords } from '../sharing/index.ts'
import type { DnsDiscoverySettings } from '../upstream/index.ts'
import type { PluginStates } from './plugin-states.ts'

export interface TablesOptions {
  readonly registry: ReadonlyMap<string, Plugin>
  readonly mode: RouterMode
  readonly attributes: Readonly<Record<string, unknown>>
  readonly discovery: DnsDiscoverySettings
  readonly healthChecks: boolean
  readonly log: Logger
  readonly metrics: Registry
  /** The metrics of all processes as text. */
  readonly exposition: () => Promise<string>
  /** How many processes serve beside each other, this one included. */
  readonly processes: number
  /** What plugins keep beyond the life of these tables. */
  readonly states: PluginStates
  readonly tls: TlsConfig
  /** What the processes of the gateway count and know together. */
  readonly shared: SharedRecords
}
