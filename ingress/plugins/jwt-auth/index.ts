import { createPublicKey } from 'node:crypto'
import type { RequestContext } from '../../dataplane/context.ts'
import { isReference, type JsonObject } from '../../objects/index.ts'
import { queryArgument, removeArgument } from '../../route/index.ts'
import { anonymousOr, attachConsumer, clearIdentity, realmSchema } from '../authentication.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'
import { decodeToken, signatureHolds } from './token.ts'

interface Conf {
  readonly header: string
  readonly query: string
  readonly cookie: string
  readonly hide_credentials: boolean
  readonly key_claim_name: string
  readonly realm: string
  readonly anonymous_consumer?: string
  readonly claims_to_verify?: readonly ('exp' | 'nbf')[]
  readonly store_in_ctx: boolean
}

const ALGORITHMS = ['HS', 'RS', 'ES', 'PS'].flatMap((kind) =>
  ['256', '384', '512'].map((size) => kind + size),
)

function removeCookie({ exchange: { headers } }: RequestContext, name: string): void {
  const kept = (headers.get('cookie') ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.split('=', 1)[0] !== name)
  if (kept.length === 0) headers.remove('cookie')
  else headers.set('cookie', kept.join('; '))
}

function findToken(context: RequestContext, own: Conf): { text: string; hide(): void } | undefined {
  const { headers } = context.exchange
  const header = headers.get(own.header)
  if (header !== undefined)
    return { text: header.replace(/^bearer +/i, ''), hide: () => headers.remove(own.header) }
  const argument = queryArgument(context.query, own.query)
  if (argument !== undefined) {
    const hide = () => {
      context.upstreamTarget = removeArgument(context.upstreamTarget, own.query)
    }
    return { text: argument, hide }
  }
  const cookie = context.variables(`cookie_${own.cookie}`)
  return cookie === undefined
    ? undefined
    : { text: String(cookie), hide: () => removeCookie(context, own.cookie) }
}

/** exp and nbf if they are there (RFC 7519 §4.1), or those that `needed` names, which have to be; `grace` in seconds. */
function inTime(claims: JsonObject, grace: number, needed: readonly string[]): boolean {
  const now = Date.now() / 1000
  const checked = needed.length > 0 ? needed : ['exp', 'nbf'].filter((name) => claims[name] !== undefined)
  return checked.every((name) => {
    const time = claims[name]
    return typeof time === 'number' && (name === 'exp' ? now < time + grace : now >= time - grace)
  })
}

function keyOf(conf: JsonObject): string | Buffer {
  const algorithm = String(conf.algorithm)
  if (!algorithm.startsWith('HS')) return String(conf.public_key)
  return conf.base64_secret === true ? Buffer.from(String(conf.secret), 'base64') : String(conf.secret)
}

/** Finds the consumer by a signed token (RFC 7519). */
export const jwtAuth: Plugin = {
  name: 'jwt-auth',
  priority: 2510,
  schema: {
    type: 'object',
    properties: {
      header: { type: 'string', default: 'authorization' },
      query: { type: 'string', default: 'jwt' },
      cookie: { type: 'string', default: 'jwt' },
      hide_credentials: { type: 'boolean', default: false },
      key_claim_name: { type: 'string', minLength: 1, default: 'key' },
      realm: realmSchema('jwt'),
      anonymous_consumer: { type: 'string', minLength: 1 },
      claims_to_verify: {
        type: 'array',
        items: { type: 'string', enum: ['exp', 'nbf'] },
        uniqueItems: true,
      },
      store_in_ctx: { type: 'boolean', default: false },
    },
  },
  consumerSchema: {
    type: 'object',
    properties: {
      key: { type: 'string', minLength: 1 },
      secret: { type: 'string', minLength: 1 },
      public_key: { type: 'string' },
      algorithm: { type: 'string', enum: [...ALGORITHMS, 'EdDSA'], default: 'HS256' },
      exp: { type: 'integer', minimum: 1, default: 86_400 },
      base64_secret: { type: 'boolean', default: false },
      lifetime_grace_period: { type: 'integer', minimum: 0, default: 0 },
    },
    required: ['key'],
  },
  consumerCheck(conf) {
    if (String(conf.algorithm).startsWith('HS')) {
      if (conf.secret === undefined) return 'property "secret" is required when using HS based algorithms'
      const encoded = /^(?:[a-z0-9+/]{4})*(?:[a-z0-9+/]{2,3}=*)?$/i.test(String(conf.secret))
      if (conf.base64_secret === true && !isReference(conf.secret) && !encoded)
        return 'base64_secret required but the secret is not in base64 format'
      return undefined
    }
    if (conf.public_key === undefined)
      return 'failed to validate dependent schema for "algorithm": value should match only one schema, but matches none'
    if (isReference(conf.public_key)) return undefined
    try {
      createPublicKey(String(conf.public_key))
      return undefined
    } catch (error) {
      return `public_key is not usable: ${error instanceof Error ? error.message : String(error)}`
    }
  },
  consumerEncryptFields: ['secret'],
  consumerKey: (conf) => String(conf.key),
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const refusal = (message: string): PluginAnswer => ({
      status: 401,
      body: { message },
      headers: { 'WWW-Authenticate': `Bearer realm="${own.realm}"` },
    })
    /** Why nobody is let in; undefined if somebody is. */
    const judge = (context: RequestContext): string | undefined => {
      const found = findToken(context, own)
      if (found === undefined) return 'Missing JWT token in request'
      if (own.hide_credentials) found.hide()
      const token = decodeToken(found.text)
      if (token === undefined) return 'JWT token invalid'
      const key = token.claims[own.key_claim_name]
      if (typeof key !== 'string') return 'missing user key in JWT token'
      const entry = environment.auth.find('jwt-auth', key)
      if (entry === undefined) return 'Invalid user key in JWT token'
      const algorithm = String(entry.conf.algorithm)
      const good =
        token.header.alg === algorithm &&
        token.header.crit === undefined &&
        signatureHolds(token, algorithm, keyOf(entry.conf)) &&
        inTime(token.claims, Number(entry.conf.lifetime_grace_period ?? 0), own.claims_to_verify ?? [])
      if (!good) return 'failed to verify jwt'
      if (own.store_in_ctx) context.claims = token.claims
      attachConsumer(context, entry, 'jwt-auth')
      return undefined
    }
    return {
      rewrite(context) {
        clearIdentity(context)
        const why = judge(context)
        return why === undefined ? undefined : anonymousOr(refusal, why, context, { conf: own, environment })
      },
    }
  },
}
