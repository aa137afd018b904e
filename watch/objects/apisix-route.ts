import {
  type ApisixPlugin,
  type ApisixTimeout,
  apisixVersion,
  pluginsIn,
  timeoutIn,
  weightIn,
} from './apisix-common.ts'
import { portLimits, portOrNameIn } from './common.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { IntOrString, KubeObject } from './meta.ts'

export interface ApisixRouteExpr {
  readonly subject: { readonly scope: ApisixExprScope; readonly name: string }
  readonly op: (typeof exprOps)[number]
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

const exprOps = [
  'Equal',
  'NotEqual',
  'GreaterThan',
  'GreaterThanEqual',
  'LessThan',
  'LessThanEqual',
  'In',
  'NotIn',
  'RegexMatch',
  'RegexNotMatch',
  'RegexMatchCaseInsensitive',
  'RegexNotMatchCaseInsensitive',
] as const

const authenticationTypes = [
  'keyAuth',
  'basicAuth',
  'wolfRBAC',
  'jwtAuth',
  'hmacAuth',
  'ldapAuth',
  '',
] as const

export function decodeApisixRoute(root: Field): ApisixRoute {
  const spec = root.at('spec').requiredObject()
  const http = spec.at('http').list(httpIn)
  const stream = spec.at('stream').list(streamIn)
  if (http.length === 0 && stream.length === 0)
    spec.at('http').expected('at least one rule in http or stream')
  checkNames(spec.at('http'))
  checkNames(spec.at('stream'))
  return {
    apiVersion: apisixVersion,
    kind: 'ApisixRoute',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    spec: { ingressClassName: spec.at('ingressClassName').optionalString(), http, stream },
  }
}

/** Rule names make the ids of routes: unique within the object. */
function checkNames(rules: Field): void {
  const seen = new Set<unknown>()
  for (const rule of rules.items()) {
    const name = rule.at('name')
    if (!name.missing && seen.has(name.value)) name.expected('a name no other rule of this object has')
    seen.add(name.value)
  }
}

function httpIn(field: Field): ApisixRouteHTTP {
  const match = field.requiredObject().at('match').requiredObject()
  const paths = match.at('paths').strings()
  if (paths.length === 0) match.at('paths').expected('at least one path')
  const backends = field.at('backends').list(backendIn)
  const upstreams = field.at('upstreams').list((item) => ({
    name: item.requiredObject().at('name').requiredString(),
    weight: weightIn(item.at('weight')),
  }))
  const authentication = field.at('authentication')
  return {
    name: field.at('name').requiredString(),
    priority: field.at('priority').integer(0, { min: -(2 ** 31), max: 2 ** 31 - 1 }),
    timeout: timeoutIn(field.at('timeout')),
    match: {
      paths,
      methods: match.at('methods').strings(),
      hosts: match.at('hosts').strings(),
      remoteAddrs: match.at('remoteAddrs').strings(),
      exprs: match.at('exprs').list(exprIn),
      filter_func: match.at('filter_func').string(),
    },
    backends,
    upstreams,
    websocket: field.at('websocket').boolean(false),
    plugin_config_name: field.at('plugin_config_name').string(),
    plugin_config_namespace: field.at('plugin_config_namespace').string(),
    plugins: pluginsIn(field.at('plugins')),
    authentication: authentication.missing ? undefined : authenticationIn(authentication.object()),
  }
}

function exprIn(field: Field): ApisixRouteExpr {
  const subject = field.requiredObject().at('subject').requiredObject()
  const scope = subject.at('scope').requiredOneOf(['Header', 'Query', 'Path', 'Cookie', 'Variable', 'Body'])
  const op = field.at('op').requiredOneOf(exprOps)
  const set = field.at('set').strings()
  const value = field.at('value').optionalString()
  const many = op === 'In' || op === 'NotIn'
  if (many && set.length === 0) field.at('set').expected(`at least one value for op ${op}`)
  if (!many && value === undefined) field.at('value').expected(`a string for op ${op}`)
  const name = scope === 'Path' ? subject.at('name').string() : subject.at('name').requiredString()
  return { subject: { scope, name }, op, set, value }
}

function backendIn(field: Field): ApisixRouteBackend {
  const port = field.requiredObject().at('servicePort')
  if (port.missing) port.expected('a port number or the name of a port')
  return {
    serviceName: field.at('serviceName').requiredString(),
    servicePort: portOrNameIn(port) ?? 0,
    resolveGranularity: field.at('resolveGranularity').oneOf(['endpoint', 'service'], 'endpoint'),
    weight: weightIn(field.at('weight')),
    subset: field.at('subset').string(),
  }
}

function authenticationIn(field: Field): ApisixRouteAuthentication {
  const keyAuth = field.at('keyAuth').object()
  const jwtAuth = field.at('jwtAuth').object()
  const ldapAuth = field.at('ldapAuth').object()
  const enable = field.at('enable').boolean(false)
  const type = field.at('type').oneOf(authenticationTypes, '')
  if (enable && type === '')
    field.at('type').expected(`one of ${authenticationTypes.slice(0, -1).join(', ')}`)
  return {
    enable,
    type,
    keyAuth: { header: keyAuth.at('header').string() },
    jwtAuth: {
      header: jwtAuth.at('header').string(),
      query: jwtAuth.at('query').string(),
      cookie: jwtAuth.at('cookie').string(),
    },
    ldapAuth: {
      base_dn: ldapAuth.at('base_dn').string(),
      ldap_uri: ldapAuth.at('ldap_uri').string(),
      use_tls: ldapAuth.at('use_tls').boolean(false),
      uid: ldapAuth.at('uid').string(),
    },
  }
}

function streamIn(field: Field): ApisixRouteStream {
  const match = field.requiredObject().at('match').requiredObject()
  return {
    name: field.at('name').requiredString(),
    protocol: field.at('protocol').requiredOneOf(['TCP', 'UDP']),
    match: {
      ingressPort: match.at('ingressPort').requiredInteger(portLimits),
      host: match.at('host').string(),
    },
    backend: backendIn(field.at('backend')),
    plugins: pluginsIn(field.at('plugins')),
  }
}
