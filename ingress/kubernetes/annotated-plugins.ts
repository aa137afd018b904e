import type { JsonObject } from '../objects/index.ts'

type Values = ReadonlyMap<string, string>

/** A plugin that annotations of an Ingress stand for. Values are only ever data: nothing is pasted into a template. */
export interface AnnotatedPlugin {
  readonly plugin: string
  /** The one to name when it cannot be made. */
  readonly annotation: string
  /** It keeps people out. */
  readonly guards: boolean
  /** Its configuration, or a sentence if the values make none; undefined if nobody asks for it. */
  readonly make: (values: Values) => JsonObject | string | undefined
}

const list = (value: string) =>
  value
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')

/** `name: value, name: value` */
function pairs(value: string): [string, string][] | undefined {
  const made: [string, string][] = []
  for (const entry of list(value)) {
    const colon = entry.indexOf(':')
    if (colon < 1) return undefined
    made.push([entry.slice(0, colon).trim(), entry.slice(colon + 1).trim()])
  }
  return made
}

const isOn = (values: Values, name: string) => values.get(name) === 'true'

function rewrite(values: Values): JsonObject | string | undefined {
  const uri = values.get('rewrite-target')
  const regex = values.get('rewrite-target-regex')
  const template = values.get('rewrite-target-regex-template')
  if (regex === undefined && template === undefined) return uri === undefined ? undefined : { uri }
  if (regex === undefined || template === undefined)
    return 'rewrite-target-regex and rewrite-target-regex-template go together'
  return { regex_uri: [regex, template] }
}

function redirect(values: Values): JsonObject | undefined {
  if (isOn(values, 'http-to-https')) return { http_to_https: true }
  const uri = values.get('http-redirect')
  if (uri === undefined) return undefined
  const code = Number(values.get('http-redirect-code') ?? 301)
  return { uri, ret_code: code >= 301 && code <= 308 ? code : 301 }
}

function cors(values: Values): JsonObject | undefined {
  if (!isOn(values, 'enable-cors')) return undefined
  const conf: JsonObject = {}
  for (const part of ['origin', 'headers', 'methods']) {
    const value = values.get(`cors-allow-${part}`)
    if (value !== undefined) conf[`allow_${part === 'origin' ? 'origins' : part}`] = value
  }
  return conf
}

function addresses(values: Values): JsonObject | string | undefined {
  const allow = values.get('allowlist-source-range')
  const block = values.get('blocklist-source-range')
  if (allow !== undefined && block !== undefined)
    return 'allowlist-source-range and blocklist-source-range exclude each other'
  if (allow !== undefined) return { whitelist: list(allow) }
  return block === undefined ? undefined : { blacklist: list(block) }
}

function csrf(values: Values): JsonObject | string | undefined {
  if (!isOn(values, 'enable-csrf')) return undefined
  const key = values.get('csrf-key')
  return key === undefined || key === '' ? 'csrf-key is needed' : { key }
}

function respond(values: Values): JsonObject | string | undefined {
  if (!isOn(values, 'enable-response-rewrite')) return undefined
  const conf: JsonObject = {}
  const status = values.get('response-rewrite-status-code')
  if (status !== undefined) conf.status_code = Number(status)
  const body = values.get('response-rewrite-body')
  if (body !== undefined) conf.body = body
  if (isOn(values, 'response-rewrite-body-base64')) conf.body_base64 = true
  const headers: JsonObject = {}
  const add = pairs(values.get('response-rewrite-add-header') ?? '')
  const set = pairs(values.get('response-rewrite-set-header') ?? '')
  if (add === undefined || set === undefined) return 'headers are written "Name: value, Name: value"'
  if (add.length > 0) headers.add = add.map(([name, value]) => `${name}: ${value}`)
  if (set.length > 0) headers.set = Object.fromEntries(set)
  const remove = list(values.get('response-rewrite-remove-header') ?? '')
  if (remove.length > 0) headers.remove = remove
  if (Object.keys(headers).length > 0) conf.headers = headers
  return conf
}

function forwardAuth(values: Values): JsonObject | undefined {
  const uri = values.get('auth-uri')
  if (uri === undefined) return undefined
  const conf: JsonObject = { uri, ssl_verify: values.get('auth-ssl-verify') !== 'false' }
  for (const part of ['request', 'upstream', 'client']) {
    const value = values.get(`auth-${part}-headers`)
    if (value !== undefined) conf[`${part}_headers`] = list(value)
  }
  return conf
}

function methods(values: Values): JsonObject | string | undefined {
  const allowed = values.get('http-allow-methods')
  const blocked = values.get('http-block-methods')
  if (allowed !== undefined && blocked !== undefined)
    return 'http-allow-methods and http-block-methods exclude each other'
  if (allowed === undefined && blocked === undefined) return undefined
  const names = list(allowed ?? blocked ?? '').map((name) => name.toUpperCase())
  const expression =
    allowed === undefined ? ['request_method', 'in', names] : ['request_method', '!', 'in', names]
  return { abort: { http_status: 405, vars: [[expression]] } }
}

const authType =
  (type: string, others: readonly string[]) =>
  (values: Values): JsonObject | string | undefined => {
    const value = values.get('auth-type')
    if (value === type) return {}
    return value === undefined || others.includes(value) ? undefined : `${JSON.stringify(value)} is not known`
  }

export const ANNOTATED_PLUGINS: readonly AnnotatedPlugin[] = [
  { plugin: 'proxy-rewrite', annotation: 'rewrite-target', guards: false, make: rewrite },
  { plugin: 'redirect', annotation: 'http-redirect', guards: false, make: redirect },
  { plugin: 'cors', annotation: 'enable-cors', guards: false, make: cors },
  { plugin: 'ip-restriction', annotation: 'allowlist-source-range', guards: true, make: addresses },
  { plugin: 'csrf', annotation: 'csrf-key', guards: true, make: csrf },
  { plugin: 'response-rewrite', annotation: 'enable-response-rewrite', guards: false, make: respond },
  { plugin: 'forward-auth', annotation: 'auth-uri', guards: true, make: forwardAuth },
  { plugin: 'fault-injection', annotation: 'http-allow-methods', guards: true, make: methods },
  { plugin: 'key-auth', annotation: 'auth-type', guards: true, make: authType('keyAuth', ['basicAuth']) },
  { plugin: 'basic-auth', annotation: 'auth-type', guards: true, make: authType('basicAuth', ['keyAuth']) },
]

export const PLUGIN_ANNOTATIONS: ReadonlySet<string> = new Set([
  'rewrite-target',
  'rewrite-target-regex',
  'rewrite-target-regex-template',
  'http-to-https',
  'http-redirect',
  'http-redirect-code',
  'enable-cors',
  'cors-allow-origin',
  'cors-allow-headers',
  'cors-allow-methods',
  'allowlist-source-range',
  'blocklist-source-range',
  'enable-csrf',
  'csrf-key',
  'enable-response-rewrite',
  'response-rewrite-status-code',
  'response-rewrite-body',
  'response-rewrite-body-base64',
  'response-rewrite-add-header',
  'response-rewrite-set-header',
  'response-rewrite-remove-header',
  'auth-uri',
  'auth-ssl-verify',
  'auth-request-headers',
  'auth-upstream-headers',
  'auth-client-headers',
  'http-allow-methods',
  'http-block-methods',
  'auth-type',
])
