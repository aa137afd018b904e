import type { RequestContext } from '../../dataplane/context.ts'
import type { Response } from '../../http/index.ts'
import type { JsonObject, Schema } from '../../objects/index.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'
import { directives, isPrivate, lifetime, usable } from './freshness.ts'
import type { CachedAnswer } from './store.ts'
import { checkZone, openZone } from './zones.ts'

interface Conf {
  readonly cache_zone: string
  readonly cache_strategy: 'disk' | 'memory'
  readonly cache_key: readonly string[]
  readonly cache_http_status: readonly number[]
  readonly cache_method: readonly string[]
  readonly hide_cache_headers: boolean
  readonly cache_control: boolean
  readonly cache_bypass?: readonly string[]
  readonly no_cache?: readonly string[]
  readonly cache_ttl: number
  readonly consumer_isolation: boolean
  readonly cache_set_cookie: boolean
  readonly max_resp_body_size: number
}

const STATUS = 'Apisix-Cache-Status'
const DROPPED =
  /^(?:connection|keep-alive|proxy-connection|transfer-encoding|content-length|upgrade|te|trailer|server|date|age|apisix-cache-status)$/i

/** A text, or the name of one variable. */
const PART: Schema = { type: 'string', pattern: '(^[^\\$].+$|^\\$[0-9a-zA-Z_]+$)' }

/** Variables that tell clients apart already. */
const IDENTITIES: ReadonlySet<string> = new Set([
  '$consumer_name',
  '$consumer_group_id',
  '$remote_user',
  '$http_authorization',
])

/** A request that may be stored: what is known of it so far. */
interface Pending {
  readonly key: string
  status: string
  /** The answer may be stored, as far as the request is concerned. */
  readonly keep: boolean
  head: Omit<CachedAnswer, 'body'> | undefined
  readonly pieces: Buffer[]
  size: number
}

/** True if one of the variables has a value other than 0. */
function anySet(names: readonly string[] | undefined, context: RequestContext): boolean {
  return names?.some((name) => !['', '0'].includes(context.expand(name))) ?? false
}

function keyOf(own: Conf, context: RequestContext): string {
  const parts = own.cache_key.map((part) => context.expand(part))
  const told = own.cache_key.some((part) => IDENTITIES.has(part))
  if (own.consumer_isolation && !told)
    parts.unshift(context.consumer?.username ?? String(context.variables('remote_user') ?? ''))
  // The length of each part keeps ('a', 'bc') and ('ab', 'c') apart.
  return parts.map((part) => `${part.length}:${part}`).join('')
}

function varyOf(response: Response, context: RequestContext): CachedAnswer['vary'] | undefined {
  const names = (response.headers.get('vary') ?? '').split(',').map((name) => name.trim().toLowerCase())
  if (names.includes('*')) return undefined
  return names.filter((name) => name !== '').map((name) => [name, context.exchange.headers.get(name) ?? ''])
}

/** Keeps answers and gives them to later requests of the same key. */
export const proxyCache: Plugin = {
  name: 'proxy-cache',
  priority: 1085,
  schema: {
    type: 'object',
    properties: {
      cache_zone: { type: 'string', minLength: 1, maxLength: 100, default: 'disk_cache_one' },
      cache_strategy: { type: 'string', enum: ['disk', 'memory'], default: 'disk' },
      cache_key: {
        type: 'array',
        minItems: 1,
        items: PART,
        default: ['$host', '$request_uri'],
      },
      cache_http_status: {
        type: 'array',
        minItems: 1,
        items: { type: 'integer', minimum: 200, maximum: 599 },
        uniqueItems: true,
        default: [200, 301, 404],
      },
      cache_method: {
        type: 'array',
        minItems: 1,
        items: { type: 'string', enum: ['GET', 'POST', 'HEAD'] },
        uniqueItems: true,
        default: ['GET', 'HEAD'],
      },
      hide_cache_headers: { type: 'boolean', default: false },
      cache_control: { type: 'boolean', default: false },
      cache_bypass: { type: 'array', minItems: 1, items: PART },
      no_cache: { type: 'array', minItems: 1, items: PART },
      cache_ttl: { type: 'integer', minimum: 1, default: 300 },
      consumer_isolation: { type: 'boolean', default: true },
      cache_set_cookie: { type: 'boolean', default: false },
      max_resp_body_size: { type: 'integer', minimum: 1, default: 8 * 1024 * 1024 },
    },
  },
  check(conf, attributes = {}) {
    const own = conf as unknown as Conf
    if (own.cache_key.includes('$request_method')) return 'cache_key variable $request_method unsupported'
    return checkZone(attributes, own.cache_zone, own.cache_strategy)
  },
  compile(conf: JsonObject, environment) {
    const own = conf as unknown as Conf
    const store = openZone(environment, own.cache_zone, own.cache_strategy)
    const pendings = new PerRequest<Pending>()

    const answer = (context: RequestContext, found: CachedAnswer): PluginAnswer => {
      const headers: Record<string, string> = {}
      for (const [field, value] of found.headers)
        headers[field] = headers[field] === undefined ? value : `${headers[field]}, ${value}`
      headers.Age = String(Math.max(0, Math.floor((Date.now() - found.storedAt) / 1000)))
      headers[STATUS] = 'HIT'
      const etag = headers.ETag ?? headers.Etag ?? headers.etag
      const asked = context.exchange.headers.get('if-none-match')
      const same = found.status === 200 && etag !== undefined && asked?.split(/\s*,\s*/).includes(etag)
      return same === true
        ? { status: 304, body: Buffer.alloc(0), headers }
        : { status: found.status, body: found.body, headers }
    }
    const decide = (context: RequestContext, key: string, found: CachedAnswer | undefined) => {
      const asked = directives(own.cache_control ? context.exchange.headers.get('cache-control') : undefined)
      const matching = found?.vary.every(
        ([field, value]) => (context.exchange.headers.get(field) ?? '') === value,
      )
      let status = 'MISS'
      if (found !== undefined && matching === true) {
        const state = usable(found, asked, Date.now())
        if (state === 'HIT') return answer(context, found)
        status = state
      }
      if (asked.has('only-if-cached')) return { status: 504 }
      pendings.set(context, { key, status, keep: true, head: undefined, pieces: [], size: 0 })
      return undefined
    }
    return {
      access(context): PluginAnswer | undefined | Promise<PluginAnswer | undefined> {
        const { method, exchange } = context
        const key = keyOf(own, context)
        if (method === 'PURGE') {
          return store.purge(key).then((was) => ({ status: was ? 200 : 404, ...(was ? { body: '' } : {}) }))
        }
        if (!own.cache_method.includes(method)) {
          const status = own.cache_strategy === 'disk' ? 'BYPASS' : 'MISS'
          pendings.set(context, { key, status, keep: false, head: undefined, pieces: [], size: 0 })
          return undefined
        }
        if (exchange.headers.has('range')) return undefined
        const asked = own.cache_control ? directives(exchange.headers.get('cache-control')) : new Map()
        const bypassed = anySet(own.cache_bypass, context) || asked.has('no-cache') || asked.has('no-store')
        if (bypassed) {
          pendings.set(context, { key, status: 'BYPASS', keep: false, head: undefined, pieces: [], size: 0 })
          return undefined
        }
        const found = store.get(key)
        return found instanceof Promise
          ? found.then((one) => decide(context, key, one))
          : decide(context, key, found)
      },
      headerFilter(context, response) {
        const { headers } = response
        const pending = pendings.get(context)
        if (pending !== undefined) {
          pending.head = storable(own, context, response, pending)
          headers.set(STATUS, pending.status)
        }
        if (own.hide_cache_headers)
          for (const field of ['Expires', 'Cache-Control']) if (headers.has(field)) headers.remove(field)
      },
      filtersBody: (context) => pendings.get(context)?.head !== undefined,
      bodyFilter(context, chunk, { last }) {
        const pending = pendings.get(context)
        if (pending?.head === undefined) return chunk
        if (chunk !== undefined) {
          pending.size += chunk.length
          if (pending.size > own.max_resp_body_size) pending.head = undefined
          else pending.pieces.push(chunk)
        }
        if (last && pending.head !== undefined)
          store.set(pending.key, { ...pending.head, body: Buffer.concat(pending.pieces) })
        return chunk
      },
    }
  },
}

/** The head to keep if the answer may be kept. Whole bodies only: an answer to HEAD has none. */
function storable(own: Conf, context: RequestContext, response: Response, pending: Pending): Pending['head'] {
  const { headers, status } = response
  const { exchange } = context
  if (!response.upstream || context.method === 'HEAD' || !pending.keep) return undefined
  if (!own.cache_http_status.includes(status) || status === 206 || anySet(own.no_cache, context))
    return undefined
  if (headers.has('set-cookie') && !own.cache_set_cookie) return undefined
  const said = directives(headers.get('cache-control'))
  if (isPrivate(said)) return undefined
  // RFC 9111 §3.5: what was asked for with credentials is for the one who has them, unless the answer says otherwise.
  const shared = said.has('public') || said.has('s-maxage') || said.has('must-revalidate')
  if (exchange.headers.has('authorization') && context.consumer === undefined && !shared) return undefined
  const vary = varyOf(response, context)
  if (vary === undefined) return undefined
  const now = Date.now()
  const stated = own.cache_control ? lifetime(said, headers.get('expires'), now) : undefined
  const seconds = stated ?? own.cache_ttl
  if (seconds <= 0) return undefined
  const kept = Object.entries(headers.entries()).filter(([field]) => !DROPPED.test(field))
  return { status, headers: kept, vary, storedAt: now, freshUntil: now + seconds * 1000 }
}
