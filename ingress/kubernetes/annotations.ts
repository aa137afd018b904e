import type { Ingress } from '#watch'
import type { JsonObject, Plugins, Route } from '../objects/index.ts'
import { checkPlugins } from '../plugins/index.ts'
import { idOf } from './names.ts'
import type { TranslationContext } from './plugin-settings.ts'
import type { Translation } from './translation.ts'

const PREFIX = 'k8s.apisix.apache.org/'

export interface AnnotationSettings {
  readonly route: Partial<Route>
  /** ImplementationSpecific paths are regexes. */
  readonly regex: boolean
}

const list = (value: string) =>
  value
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')

type Values = ReadonlyMap<string, string>

/** Plugin configurations that annotations stand for. Values are only ever data: nothing is pasted into a template. */
const PLUGINS_BY_ANNOTATION: readonly ((
  values: Values,
) => readonly [name: string, conf: JsonObject] | undefined)[] = [
  (values) => {
    const uri = values.get('rewrite-target')
    const regex = values.get('rewrite-target-regex')
    const template = values.get('rewrite-target-regex-template')
    if (regex !== undefined && template !== undefined)
      return ['proxy-rewrite', { regex_uri: [regex, template] }]
    return uri === undefined ? undefined : ['proxy-rewrite', { uri }]
  },
  (values) => {
    if (values.get('http-to-https') === 'true') return ['redirect', { http_to_https: true }]
    const uri = values.get('http-redirect')
    if (uri === undefined) return undefined
    const code = Number(values.get('http-redirect-code') ?? 301)
    return ['redirect', { uri, ret_code: code >= 301 && code <= 308 ? code : 301 }]
  },
  (values) => {
    if (values.get('enable-cors') !== 'true') return undefined
    const conf: JsonObject = {}
    for (const part of ['origin', 'headers', 'methods']) {
      const value = values.get(`cors-allow-${part}`)
      if (value !== undefined) conf[`allow_${part === 'origin' ? 'origins' : part}`] = value
    }
    return ['cors', conf]
  },
  (values) => {
    const allow = values.get('allowlist-source-range')
    const block = values.get('blocklist-source-range')
    if (allow !== undefined) return ['ip-restriction', { whitelist: list(allow) }]
    return block === undefined ? undefined : ['ip-restriction', { blacklist: list(block) }]
  },
  (values) => {
    const type = values.get('auth-type')
    if (type === 'keyAuth') return ['key-auth', {}]
    return type === 'basicAuth' ? ['basic-auth', {}] : undefined
  },
]

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
  const plugins: Plugins = {}
  for (const rule of PLUGINS_BY_ANNOTATION) {
    const made = rule(values)
    if (made === undefined) continue
    const [name, conf] = made
    const fault = checkPlugins({ [name]: conf }, context.registry, { forConsumer: false })
    if (fault === undefined) plugins[name] = conf
    else translation.problem('metadata.annotations', fault)
  }
  const shared = values.get('plugin-config-name')
  return {
    regex: values.get('use-regex') === 'true',
    route: {
      ...(values.get('enable-websocket') === 'true' ? { enable_websocket: true } : {}),
      ...(Object.keys(plugins).length === 0 ? {} : { plugins }),
      ...(shared === undefined ? {} : { plugin_config_id: idOf(`${ingress.metadata.namespace}_${shared}`) }),
    },
  }
}
