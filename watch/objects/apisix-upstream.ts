import type { ApisixTimeout } from './apisix-route.ts'
import type { JsonObject, KubeObject, StringMap } from './meta.ts'

export interface ApisixExternalNode {
  readonly name: string
  readonly type: 'Domain' | 'Service'
  readonly weight: number
  /** undefined: the scheme's port */
  readonly port?: number | undefined
}

/** What can be said of an upstream as a whole or of one of its ports. */
export interface ApisixUpstreamSettings {
  readonly loadbalancer?: { readonly type: string; readonly hashOn: string; readonly key: string } | undefined
  readonly scheme: string
  readonly retries?: number | undefined
  readonly timeout?: ApisixTimeout | undefined
  /** as in the CRD: `active` and `passive` with camelCase names; checked by the gateway */
  readonly healthCheck?: JsonObject | undefined
  readonly tlsSecret?: { readonly name: string; readonly namespace: string } | undefined
  readonly subsets: readonly { readonly name: string; readonly labels: StringMap }[]
  readonly passHost?: 'pass' | 'node' | 'rewrite' | undefined
  readonly upstreamHost: string
  readonly discovery?:
    | { readonly serviceName: string; readonly type: string; readonly args: StringMap }
    | undefined
}

/** Of the same name as a Service, or referenced from ApisixRoute `upstreams`. */
export interface ApisixUpstream extends KubeObject {
  readonly kind: 'ApisixUpstream'
  readonly spec: ApisixUpstreamSettings & {
    readonly ingressClassName?: string | undefined
    readonly externalNodes: readonly ApisixExternalNode[]
    readonly portLevelSettings: readonly (ApisixUpstreamSettings & { readonly port: number })[]
  }
}
