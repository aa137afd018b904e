import type { Selector } from './selector.ts'

export interface KubernetesOptions {
  /** zones of the plugin, forward and reverse */
  readonly zones: readonly string[]
  /** the first that is not a reverse zone: PTR records point into it */
  readonly primaryZone: string
  readonly pods: 'disabled' | 'insecure' | 'verified'
  readonly ttl: number
  /** empty: all */
  readonly namespaces: ReadonlySet<string>
  readonly namespaceLabels: Selector | undefined
  readonly labels: Selector | undefined
  readonly endpointPodNames: boolean
  readonly noEndpoints: boolean
  readonly ignoreEmptyService: boolean
  /** answer names of topology zones */
  readonly zonal: boolean
  /** zones in which names that do not exist go to the next plugin; undefined: never */
  readonly fallthrough: readonly string[] | undefined
  /** those of `zones` that answer for ServiceImports (KEP-1645) instead of Services */
  readonly multicluster: ReadonlySet<string>
  readonly startupTimeoutMs: number
}
