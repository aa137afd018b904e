import type { Ingress } from '#watch'
import type { JsonObject, Plugins, Route, Timeout, Upstream } from '../objects/index.ts'
import { checkPlugins } from '../plugins/index.ts'
import { ANNOTATED_PLUGINS, type AnnotatedPlugin, PLUGIN_ANNOTATIONS } from './annotated-plugins.ts'
import { sharedPlugins, type TranslationContext } from './plugin-settings.ts'
import type { Translation } from './translation.ts'

const PREFIX = 'k8s.apisix.apache.org/'

const OTHERS: ReadonlySet<string> = new Set([
  'use-regex',
  'enable-websocket',
  'plugin-config-name',
  'plugin-config-namespace',
  'svc-namespace',
  'upstream-scheme',
  'upstream-retries',
  'upstream-connect-timeout',
  'upstream-read-timeout',
  'upstream-send-timeout',
])

export interface AnnotationSettings {
  readonly route: Partial<Route>
  /** ImplementationSpecific paths are regexes. */
  readonly regex: boolean
  /** Where its Services are, if not in its own namespace. */
  readonly serviceNamespace: string | undefined
  readonly upstream: Partial<Upstream> | undefined
  /** A plugin that keeps people out cannot be made: without it the routes would be open to everybody. */
  readonly unusable: boolean
}

type Values = ReadonlyMap<string, string>

/** The k8s.apisix.apache.org/ annotations of an Ingress. A bad value takes only its own plugin away, and says so. */
export function annotationSettings(
  context: TranslationContext,
  translation: Translation,
  ingress: Ingress,
): AnnotationSettings {
  const values: Values = new Map(
    Object.entries(ingress.metadata.annotations).flatMap(([name, value]) =>
      name.startsWith(PREFIX) ? [[name.slice(PREFIX.length), value]] : [],
    ),
  )
  const problem = (name: string, message: string) =>
    translation.problem(`metadata.annotations[${PREFIX}${name}]`, message)
  for (const name of values.keys()) {
    if (!OTHERS.has(name) && !PLUGIN_ANNOTATIONS.has(name)) problem(name, 'is not known here')
  }
  const plugins: Plugins = {}
  let unusable = false
  for (const rule of ANNOTATED_PLUGINS) {
    const made = makePlugin(context, rule, values)
    if (made === undefined) continue
    if (typeof made === 'string') {
      problem(rule.annotation, made)
      unusable ||= rule.guards
    } else plugins[made[0]] = made[1]
  }
  const shared = values.get('plugin-config-name')
  const sharedIn = values.get('plugin-config-namespace') ?? ingress.metadata.namespace
  const configId = (name: string) =>
    sharedPlugins(
      context.store,
      translation,
      { namespace: sharedIn, name },
      `metadata.annotations[${PREFIX}plugin-config-name]`,
    )
  const timeout = timeouts(values, problem)
  return {
    regex: values.get('use-regex') === 'true',
    serviceNamespace: values.get('svc-namespace') || undefined,
    upstream: upstreamOf(values, problem),
    unusable,
    route: {
      ...(values.get('enable-websocket') === 'true' ? { enable_websocket: true } : {}),
      ...(timeout === undefined ? {} : { timeout }),
      ...(Object.keys(plugins).length === 0 ? {} : { plugins }),
      ...(shared === undefined ? {} : { plugin_config_id: configId(shared) }),
    },
  }
}

/** Name and configuration, a sentence if it is not good, undefined if nobody asked for it. */
function makePlugin(
  { registry }: TranslationContext,
  rule: AnnotatedPlugin,
  values: Values,
): readonly [string, JsonObject] | string | undefined {
  const made = rule.make(values)
  if (made === undefined || typeof made === 'string') return made
  const conf = made
  const fault = checkPlugins({ [rule.plugin]: conf }, registry, { forConsumer: false })
  return fault ?? [rule.plugin, conf]
}

const DEFAULT_TIMEOUT_S = 60
const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60 }

/** Seconds, or a duration such as 10s; a route has all three or none. */
function timeouts(values: Values, problem: (name: string, message: string) => void): Timeout | undefined {
  const given: Partial<Record<'connect' | 'read' | 'send', number>> = {}
  for (const part of ['connect', 'read', 'send'] as const) {
    const name = `upstream-${part}-timeout`
    const value = values.get(name)
    if (value === undefined) continue
    const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(value)
    const seconds = Number(match?.[1]) * (UNITS[match?.[2] ?? 's'] ?? 1)
    if (seconds > 0) given[part] = seconds
    else problem(name, `${JSON.stringify(value)} is no time such as 10s`)
  }
  if (Object.keys(given).length === 0) return undefined
  return { connect: DEFAULT_TIMEOUT_S, read: DEFAULT_TIMEOUT_S, send: DEFAULT_TIMEOUT_S, ...given }
}

function upstreamOf(
  values: Values,
  problem: (name: string, message: string) => void,
): Partial<Upstream> | undefined {
  const made: { scheme?: string; retries?: number } = {}
  const scheme = values.get('upstream-scheme')?.toLowerCase()
  if (scheme !== undefined) {
    if (['http', 'https', 'grpc', 'grpcs'].includes(scheme)) made.scheme = scheme
    else problem('upstream-scheme', `${JSON.stringify(scheme)} is not one of http, https, grpc, grpcs`)
  }
  const retries = values.get('upstream-retries')
  if (retries !== undefined) {
    if (/^\d{1,4}$/.test(retries)) made.retries = Number(retries)
    else problem('upstream-retries', `${JSON.stringify(retries)} is no number`)
  }
  return Object.keys(made).length === 0 ? undefined : made
}
