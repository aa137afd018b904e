import { isDeepStrictEqual } from 'node:util'
import { checkPlugins } from '../plugins/compile.ts'
import { loadDefinitions } from '../plugins/grpc-transcode/definitions.ts'
import type { Plugin } from '../plugins/plugin.ts'
import { AddressSet, compileExpression, compileRegex } from '../route/index.ts'
import { STREAM_PLUGINS } from '../stream/plugin-names.ts'
import { checkPairs, namesOf } from '../tls/index.ts'
import type { Catalogue } from './catalogue.ts'
import { type CheckOptions, checkUpstream } from './check-upstream.ts'
import { SCHEMAS, SECRET_SCHEMAS } from './schema.ts'
import type { Kind, Ssl } from './types.ts'
import { isObject, type JsonObject, validate } from './validator.ts'

export interface CheckContext {
  readonly catalogue: Catalogue
  readonly registry: ReadonlyMap<string, Plugin>
}

const REFERENCES = [
  ['upstream_id', 'upstreams', 'upstream'],
  ['service_id', 'services', 'service'],
  ['plugin_config_id', 'plugin_configs', 'plugin config'],
  ['group_id', 'consumer_groups', 'consumer group'],
] as const

/** The first fault of an object in the Admin API's words; undefined if it is good. Defaults are filled in place. */
export function checkObject(
  kind: Kind,
  id: string,
  value: JsonObject,
  context: CheckContext,
  options: CheckOptions = { references: 'checked' },
): string | undefined {
  if (kind === 'plugin_metadata') return checkMetadata(id, value, context)
  if (kind === 'secrets') return checkSecret(id, value)
  const fault = validate(SCHEMAS[kind], value)
  if (fault !== undefined) return `invalid configuration: ${fault}`
  return (
    checkPluginsOf(kind, id, value, context) ??
    (kind === 'ssls' ? checkSsl(value) : undefined) ??
    (kind === 'protos' ? checkProto(String(value.content)) : undefined) ??
    (kind === 'upstreams' ? checkUpstream(value, options) : undefined) ??
    (isObject(value.upstream) ? checkUpstream(value.upstream, options) : undefined) ??
    (kind === 'routes' ? checkRoute(value) : undefined) ??
    (kind === 'stream_routes' ? checkStreamRoute(value) : undefined) ??
    (options.references === 'checked' ? checkReferences(kind, value, context) : undefined)
  )
}

function checkSsl(value: JsonObject): string | undefined {
  const ssl = value as unknown as Ssl
  if (ssl.type !== 'client' && namesOf(ssl).length === 0)
    return 'invalid configuration: sni or snis is required'
  for (const regex of ssl.client?.skip_mtls_uri_regex ?? []) {
    try {
      compileRegex(regex)
    } catch (error) {
      return `invalid configuration: skip_mtls_uri_regex: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  return checkPairs(ssl)
}

function checkProto(content: string): string | undefined {
  try {
    loadDefinitions(content)
    return undefined
  } catch (error) {
    return `invalid content: ${error instanceof Error ? error.message : String(error)}`
  }
}

function checkSecret(id: string, value: JsonObject): string | undefined {
  const [manager = ''] = id.split('/')
  const schema = SECRET_SCHEMAS[manager]
  if (schema === undefined) return `invalid secret manager: ${manager}`
  const fault = validate(schema, value)
  return fault === undefined ? undefined : `invalid configuration: ${fault}`
}

function checkMetadata(id: string, value: JsonObject, { registry }: CheckContext): string | undefined {
  const plugin = registry.get(id)
  if (plugin === undefined) return 'invalid plugin name'
  if (plugin.metadataSchema === undefined) return undefined
  const fault = validate(plugin.metadataSchema, value)
  return fault === undefined ? undefined : `invalid configuration: ${fault}`
}

const LIMITED = [
  'routes',
  'services',
  'plugin_configs',
  'consumers',
  'consumer_groups',
  'global_rules',
] as const

/** Whether every limit-count of a group is configured alike: they count together. */
function isGroupUniform(kind: Kind, id: string, conf: JsonObject, { catalogue }: CheckContext): boolean {
  const settings = ({ _meta, ...own }: JsonObject) => own
  return LIMITED.every((other) =>
    [...catalogue.entries(other)].every((entry) => {
      const limit = (entry.value.plugins as JsonObject | undefined)?.['limit-count']
      if (!isObject(limit) || limit.group !== conf.group || (other === kind && entry.id === id)) return true
      return isDeepStrictEqual(settings(limit), settings(conf))
    }),
  )
}

function checkPluginsOf(
  kind: Kind,
  id: string,
  value: JsonObject,
  context: CheckContext,
): string | undefined {
  if (value.plugins === undefined) return undefined
  if (kind === 'stream_routes')
    return checkPlugins(value.plugins, streamPlugins(context), { forConsumer: false })
  const identity = kind === 'consumers' || kind === 'credentials'
  const fault = checkPlugins(value.plugins, context.registry, { forConsumer: identity })
  if (fault !== undefined) return identity ? `invalid plugins configuration: ${fault}` : fault
  const limit = (value.plugins as JsonObject)['limit-count']
  if (isObject(limit) && limit.group !== undefined && !isGroupUniform(kind, id, limit, context))
    return 'failed to check the configuration of plugin limit-count err: group conf mismatched'
  if (kind === 'credentials') {
    const [name = ''] = Object.keys(value.plugins as JsonObject)
    if (context.registry.get(name)?.consumerSchema === undefined)
      return 'only supports auth type plugins in consumer credential'
  }
  if (identity) return checkDuplicateKeys(kind, id, value.plugins as JsonObject, context)
  if (kind !== 'global_rules') return undefined
  for (const rule of context.catalogue.entries('global_rules')) {
    if (rule.id === id) continue
    const shared = Object.keys(rule.value.plugins ?? {}).find((name) =>
      Object.hasOwn(value.plugins as object, name),
    )
    if (shared !== undefined) return `plugin '${shared}' already exists in global rule with id '${rule.id}'`
  }
  return undefined
}

function streamPlugins({ registry }: CheckContext): ReadonlyMap<string, Plugin> {
  return new Map([...registry].filter(([name]) => STREAM_PLUGINS.includes(name)))
}

const KEY_FIELDS: Readonly<Record<string, string>> = { 'basic-auth': 'username', 'hmac-auth': 'key_id' }

function holder(kind: 'consumers' | 'credentials', id: string): string {
  const [username = '', , own = ''] = id.split('/')
  return kind === 'consumers' ? `consumer: ${username}` : `credential: ${own} of consumer: ${username}`
}

function checkDuplicateKeys(
  kind: 'consumers' | 'credentials',
  id: string,
  plugins: JsonObject,
  context: CheckContext,
): string | undefined {
  for (const [name, conf] of Object.entries(plugins)) {
    const keyOf = context.registry.get(name)?.consumerKey
    if (keyOf === undefined || !isObject(conf)) continue
    for (const carrier of ['consumers', 'credentials'] as const) {
      for (const other of context.catalogue.entries(carrier)) {
        const theirs = other.value.plugins?.[name]
        const self = carrier === kind && other.id === id
        if (!self && theirs !== undefined && keyOf(theirs) === keyOf(conf)) {
          return `duplicate ${KEY_FIELDS[name] ?? 'key'} of plugin ${name} found with ${holder(carrier, other.id)}`
        }
      }
    }
  }
  return undefined
}

function checkRoute(route: JsonObject): string | undefined {
  if (route.host !== undefined && route.hosts !== undefined) return 'only one of host or hosts is allowed'
  if (route.remote_addr !== undefined && route.remote_addrs !== undefined) {
    return 'only one of remote_addr or remote_addrs is allowed'
  }
  const addresses = (route.remote_addrs ??
    (route.remote_addr === undefined ? [] : [route.remote_addr])) as string[]
  try {
    new AddressSet(addresses)
  } catch (error) {
    return `invalid configuration: ${error instanceof Error ? error.message : String(error)}`
  }
  if (route.filter_func !== undefined)
    return "failed to load 'filter_func' string: Lua functions are not available"
  if (!Array.isArray(route.vars)) return undefined
  try {
    compileExpression(route.vars)
    return undefined
  } catch (error) {
    return `failed to validate the 'vars' expression: ${error instanceof Error ? error.message : String(error)}`
  }
}

function checkStreamRoute(route: JsonObject): string | undefined {
  for (const field of ['remote_addr', 'server_addr']) {
    const address = route[field]
    if (typeof address === 'string' && !isAddress(address)) return `invalid ${field}: ${address}`
  }
  return undefined
}

function isAddress(text: string): boolean {
  try {
    return new AddressSet([text]) !== undefined
  } catch {
    return false
  }
}

function checkReferences(kind: Kind, value: JsonObject, { catalogue }: CheckContext): string | undefined {
  const upstream = kind === 'upstreams' ? value : value.upstream
  const certificate = isObject(upstream) && isObject(upstream.tls) ? upstream.tls.client_cert_id : undefined
  if (certificate !== undefined) {
    const ssl = catalogue.get('ssls', String(certificate))
    const fault = ssl === undefined ? 'response code: 404' : 'wrong ssl type'
    if ((ssl?.value as Ssl | undefined)?.type !== 'client')
      return `failed to fetch ssl info by ssl id [${String(certificate)}], ${fault}`
  }
  for (const [field, kind, words] of REFERENCES) {
    const id = value[field]
    if (id === undefined || catalogue.get(kind, String(id)) !== undefined) continue
    return `failed to fetch ${words} info by ${words} id [${String(id)}], response code: 404`
  }
  return undefined
}
