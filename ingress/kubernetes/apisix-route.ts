import type { ApisixRoute, ApisixRouteExpr, ApisixRouteHTTP } from '#watch'
import { keyFrom } from '#watch'
import type { Plugins, Route } from '../objects/index.ts'
import { checkPlugins } from '../plugins/index.ts'
import { AddressSet, compileExpression } from '../route/index.ts'
import { STREAM_PLUGINS } from '../stream/index.ts'
import { externalUpstream, useSecret } from './apisix-upstream.ts'
import { addBackend, speaksWebSocket } from './backends.ts'
import { resourceIsOurs } from './classes.ts'
import { DESCRIPTION, idOf, MANAGED_BY, routeName } from './names.ts'
import { pluginsOf, sharedPlugins, type TranslationContext } from './plugin-settings.ts'
import { Translation } from './translation.ts'

const DEFAULT_TIMEOUT_S = 60

/** apisix.apache.org/v2 ApisixRoute -> a route per http rule. */
export function translateApisixRoute(context: TranslationContext, object: ApisixRoute): Translation {
  const { namespace, name } = object.metadata
  const translation = new Translation(`ApisixRoute ${namespace}/${name}`)
  if (!resourceIsOurs(context.store, object.spec.ingressClassName, context.ingressClass)) return translation
  for (const [index, rule] of object.spec.http.entries()) {
    const field = `spec.http[${index}]`
    const full = routeName(namespace, name, rule.name)
    const id = idOf(full)
    if (translation.routes.some((route) => route.id === id)) {
      translation.problem(`${field}.name`, `${rule.name} is there more than once, the first is used`)
      continue
    }
    const route = translateRule(context, translation, object, rule, field)
    if (route === undefined) translation.failed.add(`routes/${id}`)
    else {
      const labels = { ...object.metadata.labels, ...MANAGED_BY }
      translation.routes.push({ id, name: full, desc: DESCRIPTION, labels, status: 1, ...route })
    }
  }
  translateStream(context, translation, object)
  return translation
}

function translateRule(
  context: TranslationContext,
  translation: Translation,
  object: ApisixRoute,
  rule: ApisixRouteHTTP,
  field: string,
): Partial<Route> | undefined {
  const { namespace } = object.metadata
  const { match } = rule
  const plugins = pluginsOf(context, translation, namespace, rule.plugins, `${field}.plugins`)
  const vars = expressions(translation, match.exprs, `${field}.match.exprs`)
  const authentication = authenticationPlugin(translation, rule, `${field}.authentication`)
  if (plugins === undefined || vars === undefined || authentication === undefined) return undefined
  if (match.paths.length === 0) {
    translation.problem(`${field}.match.paths`, 'at least one path is needed')
    return undefined
  }
  if (match.filter_func !== '') {
    translation.problem(`${field}.match.filter_func`, 'Lua functions are not available')
    return undefined
  }
  try {
    new AddressSet(match.remoteAddrs)
  } catch (error) {
    translation.problem(`${field}.match.remoteAddrs`, error instanceof Error ? error.message : String(error))
    return undefined
  }
  const upstreams = upstreamsOf(context, translation, namespace, rule, field)
  const [first, ...others] = upstreams
  const answered = Object.keys(plugins).length > 0 || rule.plugin_config_name !== ''
  // Plugins may answer by themselves; what was named and is not there is no reason to do without it.
  if (first === undefined && (rule.upstreams.length > 0 || !answered)) {
    translation.problem(`${field}.backends`, 'neither backends nor upstreams')
    return undefined
  }
  if (first !== undefined && others.length > 0) {
    const shares = [
      { weight: first.weight },
      ...others.map(({ id, weight }) => ({ upstream_id: id, weight })),
    ]
    // The share without an id is the route's own upstream.
    plugins['traffic-split'] = { rules: [{ weighted_upstreams: shares }] }
  }
  Object.assign(plugins, authentication)
  // Fills in the defaults of what was added here.
  const fault = checkPlugins(plugins, context.registry, { forConsumer: false })
  if (fault !== undefined) {
    translation.problem(field, fault)
    return undefined
  }
  const shared = rule.plugin_config_name
  const sharedKey = { namespace: rule.plugin_config_namespace || namespace, name: shared }
  return {
    priority: rule.priority,
    uris: match.paths,
    ...(match.hosts.length === 0 ? {} : { hosts: match.hosts }),
    ...(match.methods.length === 0 ? {} : { methods: match.methods }),
    ...(match.remoteAddrs.length === 0 ? {} : { remote_addrs: match.remoteAddrs }),
    ...(vars.length === 0 ? {} : { vars }),
    ...(rule.websocket || speaksFirst(context, namespace, rule) ? { enable_websocket: true } : {}),
    ...(rule.timeout === undefined
      ? {}
      : {
          timeout: {
            connect: rule.timeout.connect ?? DEFAULT_TIMEOUT_S,
            send: rule.timeout.send ?? DEFAULT_TIMEOUT_S,
            read: rule.timeout.read ?? DEFAULT_TIMEOUT_S,
          },
        }),
    ...(Object.keys(plugins).length === 0 ? {} : { plugins }),
    ...(shared === ''
      ? {}
      : {
          plugin_config_id: sharedPlugins(
            context.store,
            translation,
            sharedKey,
            `${field}.plugin_config_name`,
          ),
        }),
    ...(first === undefined ? {} : { upstream_id: first.id }),
  }
}

/** Whether a backend of the rule speaks WebSocket by its Service's appProtocol. */
function speaksFirst({ store }: TranslationContext, namespace: string, rule: ApisixRouteHTTP): boolean {
  return rule.backends.some(({ serviceName: service, servicePort: port, resolveGranularity: granularity }) =>
    speaksWebSocket(store, { namespace, service, port, granularity }),
  )
}

/** The rules of `stream`, each a route of the TCP and UDP proxy. */
function translateStream(context: TranslationContext, translation: Translation, object: ApisixRoute): void {
  const { namespace, name } = object.metadata
  const registry = new Map([...context.registry].filter(([plugin]) => STREAM_PLUGINS.includes(plugin)))
  const ofStreams = { ...context, registry }
  for (const [index, rule] of object.spec.stream.entries()) {
    const field = `spec.stream[${index}]`
    const full = `${routeName(namespace, name, rule.name)}_${rule.protocol.toLowerCase()}`
    const id = idOf(full)
    const plugins = pluginsOf(ofStreams, translation, namespace, rule.plugins, `${field}.plugins`)
    if (plugins === undefined) {
      translation.failed.add(`stream_routes/${id}`)
      continue
    }
    const { serviceName: service, servicePort: port, resolveGranularity: granularity, subset } = rule.backend
    const reference = { namespace, service, port, granularity, subset }
    const upstream = addBackend(context.store, translation, reference, `${field}.backend`)
    translation.streamRoutes.push({
      id,
      name: full,
      desc: DESCRIPTION,
      labels: MANAGED_BY,
      server_port: rule.match.ingressPort,
      ...(rule.match.host === '' ? {} : { sni: rule.match.host }),
      ...(Object.keys(plugins).length === 0 ? {} : { plugins }),
      upstream_id: upstream,
    })
  }
}

function upstreamsOf(
  context: TranslationContext,
  translation: Translation,
  namespace: string,
  rule: ApisixRouteHTTP,
  field: string,
): { readonly id: string; readonly weight: number }[] {
  const found: { readonly id: string; readonly weight: number }[] = []
  for (const [index, backend] of rule.backends.entries()) {
    const reference = {
      namespace,
      service: backend.serviceName,
      port: backend.servicePort,
      granularity: backend.resolveGranularity,
      subset: backend.subset,
    }
    const id = addBackend(context.store, translation, reference, `${field}.backends[${index}]`)
    found.push({ id, weight: backend.weight })
  }
  for (const [index, reference] of rule.upstreams.entries()) {
    const key = keyFrom(namespace, reference.name)
    translation.uses.add(`ApisixUpstream ${key}`)
    const upstream = context.store.get('ApisixUpstream', key)
    if (upstream === undefined) {
      translation.problem(`${field}.upstreams[${index}]`, `ApisixUpstream ${key} does not exist`)
      continue
    }
    for (const node of upstream.spec.externalNodes)
      if (node.type === 'Service') translation.uses.add(`Service ${keyFrom(namespace, node.name)}`)
    useSecret(translation, namespace, upstream.spec.tlsSecret)
    const external = externalUpstream(context.store, upstream)
    if (external.nodes !== undefined && upstream.spec.externalNodes.length === 0)
      translation.problem(`${field}.upstreams[${index}]`, `ApisixUpstream ${key} has no externalNodes`)
    translation.upstreams.push(external)
    found.push({ id: String(external.id), weight: reference.weight })
  }
  return found
}

const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  Equal: ['=='],
  NotEqual: ['~='],
  GreaterThan: ['>'],
  GreaterThanEqual: ['>='],
  LessThan: ['<'],
  LessThanEqual: ['<='],
  RegexMatch: ['~~'],
  RegexNotMatch: ['!', '~~'],
  RegexMatchCaseInsensitive: ['~*'],
  RegexNotMatchCaseInsensitive: ['!', '~*'],
  In: ['in'],
  NotIn: ['!', 'in'],
}

function subject({ scope, name }: ApisixRouteExpr['subject']): string | undefined {
  switch (scope) {
    case 'Header':
      return `http_${name.toLowerCase().replaceAll('-', '_')}`
    case 'Query':
      return `arg_${name}`
    case 'Cookie':
      return `cookie_${name}`
    case 'Path':
      return 'uri'
    case 'Body':
      return `post_arg.${name}`
    case 'Variable':
      return name
    default:
      return undefined
  }
}

function expressions(
  translation: Translation,
  exprs: readonly ApisixRouteExpr[],
  field: string,
): unknown[] | undefined {
  const vars: unknown[] = []
  for (const [index, expr] of exprs.entries()) {
    const name = subject(expr.subject)
    const operator = OPERATORS[expr.op]
    if (name === undefined || operator === undefined) {
      const what = name === undefined ? `subject.scope: ${expr.subject.scope}` : `op: ${expr.op}`
      translation.problem(`${field}[${index}].${what}`, 'is not available')
      return undefined
    }
    const listed = expr.op === 'In' || expr.op === 'NotIn'
    const rule = [name, ...operator, listed ? expr.set : (expr.value ?? '')]
    try {
      compileExpression([rule])
    } catch (error) {
      translation.problem(`${field}[${index}]`, error instanceof Error ? error.message : String(error))
      return undefined
    }
    vars.push(rule)
  }
  return vars
}

function authenticationPlugin(
  translation: Translation,
  rule: ApisixRouteHTTP,
  field: string,
): Plugins | undefined {
  const { authentication } = rule
  if (authentication === undefined || !authentication.enable) return {}
  if (authentication.type === 'keyAuth') {
    const { header } = authentication.keyAuth
    return { 'key-auth': header === '' ? {} : { header } }
  }
  if (authentication.type === 'basicAuth') return { 'basic-auth': {} }
  if (authentication.type === 'hmacAuth') return { 'hmac-auth': {} }
  if (authentication.type === 'wolfRBAC') return { 'wolf-rbac': {} }
  if (authentication.type === 'jwtAuth') {
    const given = Object.entries(authentication.jwtAuth).filter(([, value]) => value !== '')
    return { 'jwt-auth': Object.fromEntries(given) }
  }
  if (authentication.type === 'ldapAuth') {
    const given = Object.entries(authentication.ldapAuth).filter(([, value]) => value !== '')
    return { 'ldap-auth': Object.fromEntries(given) }
  }
  // Publishing the route without it would let everybody in.
  translation.problem(`${field}.type`, `${authentication.type} is not available yet`)
  return undefined
}
