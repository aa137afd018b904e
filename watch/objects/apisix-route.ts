import type { IntOrString, JsonObject, KubeObject } from './meta.ts'

/** A plugin on a route, consumer, plugin config or global rule. */
export interface ApisixPlugin {
  readonly name: string
  readonly enable: boolean
  readonly config: JsonObject
  /** a Secret of the same namespace whose keys are dotted paths laid over config; '' if none */
  readonly secretRef: string
}

/** Seconds, as the Admin API has them (the CRD writes Go durations such as `60s`). */
export interface ApisixTimeout {
  readonly connect?: number | undefined
  readonly send?: number | undefined
  readonly read?: number | undefined
}

export interface ApisixRouteExpr {
  readonly subject: { readonly scope: ApisixExprScope; readonly name: string }
  readonly op: string
  /** for In and NotIn */
  readonly set: readonly string[]
  readonly value?: string | undefined
}

export type ApisixExprScope = 'Header' | 'Query' | 'Path' | 'Cookie' | 'Variable' | 'Body'

export interface ApisixRouteMatch {
  readonly paths: readonly string[]
  readonly methods: readonly string[]
  readonly hosts: readonly string[]
  readonly remoteAddrs: readonly string[]
  readonly exprs: readonly ApisixRouteExpr[]
  readonly filter_func: string
}

export interface ApisixRouteBackend {
  readonly serviceName: string
  readonly servicePort: IntOrString
  readonly resolveGranularity: 'endpoint' | 'service'
  readonly weight: number
  readonly subset: string
}

/** A reference to an ApisixUpstream of the same namespace. */
export interface ApisixRouteUpstream {
  readonly name: string
  readonly weight: number
}

export interface ApisixRouteAuthentication {
  readonly enable: boolean
  /** keyAuth, basicAuth, wolfRBAC, jwtAuth, hmacAuth, ldapAuth */
  readonly type: string
  readonly keyAuth: { readonly header: string }
  readonly jwtAuth: { readonly header: string; readonly query: string; readonly cookie: string }
  readonly ldapAuth: {
    readonly base_dn: string
    readonly ldap_uri: string
    readonly use_tls: boolean
    readonly uid: string
  }
}

export interface ApisixRouteHTTP {
  readonly name: string
  readonly priority: number
  readonly timeout?: ApisixTimeout | undefined
  readonly match: ApisixRouteMatch
  readonly backends: readonly ApisixRouteBackend[]
  readonly upstreams: readonly ApisixRouteUpstream[]
  readonly websocket: boolean
  readonly plugin_config_name: string
  /** '' means the route's own namespace */
  readonly plugin_config_namespace: string
  readonly plugins: readonly ApisixPlugin[]
  readonly authentication?: ApisixRouteAuthentication | undefined
}

export interface ApisixRouteStream {
  readonly name: string
  readonly protocol: 'TCP' | 'UDP'
  readonly match: { readonly ingressPort: number; readonly host: string }
  readonly backend: ApisixRouteBackend
  readonly plugins: readonly ApisixPlugin[]
}

export interface ApisixRoute extends KubeObject {
  readonly kind: 'ApisixRoute'
  readonly spec: {
    readonly ingressClassName?: string | undefined
    readonly http: readonly ApisixRouteHTTP[]
    readonly stream: readonly ApisixRouteStream[]
  }
}
