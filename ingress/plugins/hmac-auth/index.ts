import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { RequestContext } from '../../dataplane/context.ts'
import { BodyTooLarge } from '../../http/index.ts'
import { anonymousOr, attachConsumer, clearIdentity, realmSchema } from '../authentication.ts'
import type { AuthEntry } from '../consumers.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

interface Conf {
  readonly allowed_algorithms: readonly string[]
  readonly clock_skew: number
  readonly signed_headers: readonly string[]
  readonly validate_request_body: boolean
  readonly max_req_body_size: number
  readonly hide_credentials: boolean
  readonly realm: string
  readonly anonymous_consumer?: string
}

const REFUSAL = "client request can't be validated"
const ALGORITHMS = ['hmac-sha1', 'hmac-sha256', 'hmac-sha512']

/** `Signature keyId="...",algorithm="...",headers="...",signature="..."`, by name. */
function parameters(header: string): ReadonlyMap<string, string> | undefined {
  const list = /^signature +(.*)$/i.exec(header)?.[1]
  if (list === undefined) return undefined
  return new Map([...list.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]))
}

function signingText(context: RequestContext, keyId: string, names: readonly string[]): string | undefined {
  let text = `${keyId}\n`
  for (const name of names) {
    if (name === '@request-target') {
      text += `${context.method} ${context.exchange.request.target}\n`
      continue
    }
    const value = context.exchange.headers.get(name)
    if (value === undefined) return undefined
    text += `${name}: ${value}\n`
  }
  return text
}

function equal(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Finds the consumer by a signature over the request. */
export const hmacAuth: Plugin = {
  name: 'hmac-auth',
  priority: 2530,
  schema: {
    type: 'object',
    properties: {
      allowed_algorithms: {
        type: 'array',
        items: { type: 'string', enum: ALGORITHMS },
        minItems: 1,
        default: ALGORITHMS,
      },
      clock_skew: { type: 'integer', minimum: 1, default: 300 },
      signed_headers: {
        type: 'array',
        items: { type: 'string', minLength: 1, maxLength: 50 },
        default: ['date'],
      },
      validate_request_body: { type: 'boolean', default: false },
      max_req_body_size: { type: 'integer', minimum: 1, default: 67_108_864 },
      hide_credentials: { type: 'boolean', default: false },
      realm: realmSchema('hmac'),
      anonymous_consumer: { type: 'string', minLength: 1 },
    },
  },
  consumerSchema: {
    type: 'object',
    properties: {
      key_id: { type: 'string', minLength: 1, maxLength: 256 },
      secret_key: { type: 'string', minLength: 1, maxLength: 256 },
    },
    required: ['key_id', 'secret_key'],
  },
  consumerEncryptFields: ['secret_key'],
  consumerKey: (conf) => String(conf.key_id),
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const refuse = (message: string): PluginAnswer => ({
      status: 401,
      body: { message },
      headers: { 'WWW-Authenticate': `hmac realm="${own.realm}"` },
    })
    const orAnonymous = (context: RequestContext, message: string): PluginAnswer | undefined => {
      if (own.hide_credentials) context.exchange.headers.remove('authorization')
      return anonymousOr(refuse, message, context, { conf: own, environment })
    }
    const invalid = (context: RequestContext, why: string): PluginAnswer | undefined => {
      // For the log only: a client that guesses is not to be told how near it is.
      environment.log.info({ plugin: 'hmac-auth', object: environment.owner, why }, 'signature refused')
      return orAnonymous(context, REFUSAL)
    }
    /** Whose signature it is, or why nobody's. */
    const signer = (context: RequestContext, given: ReadonlyMap<string, string>): AuthEntry | string => {
      const { headers } = context.exchange
      const keyId = given.get('keyId') ?? ''
      const algorithm = given.get('algorithm') ?? ''
      const signature = Buffer.from(given.get('signature') ?? '', 'base64')
      const names = (given.get('headers') ?? '').split(' ').filter((name) => name !== '')
      const entry = environment.auth.find('hmac-auth', keyId)
      if (entry === undefined) return 'Invalid key_id'
      if (!own.allowed_algorithms.includes(algorithm)) return 'Invalid algorithm'
      const date = Date.parse(headers.get('date') ?? '')
      if (Number.isNaN(date) || Math.abs(Date.now() - date) > own.clock_skew * 1000)
        return 'Clock skew exceeded'
      const missing = own.signed_headers.find((name) => !names.includes(name.toLowerCase()))
      if (missing !== undefined) return `expected header "${missing}" missing in signing`
      const text = signingText(context, keyId, names)
      if (text === undefined) return 'a signed header is missing'
      const expected = createHmac(algorithm.slice(5), String(entry.conf.secret_key)).update(text).digest()
      return equal(expected, signature) ? entry : 'Invalid signature'
    }
    const accept = (context: RequestContext, entry: AuthEntry): undefined => {
      if (own.hide_credentials) context.exchange.headers.remove('authorization')
      attachConsumer(context, entry, 'hmac-auth')
    }
    const judgeBody = async (
      context: RequestContext,
      entry: AuthEntry,
    ): Promise<PluginAnswer | undefined> => {
      const digest = /^sha-256=(.+)$/i.exec(context.exchange.headers.get('digest') ?? '')?.[1]
      if (digest === undefined) return invalid(context, 'Invalid digest')
      try {
        const body = await context.exchange.collectBody(own.max_req_body_size)
        const actual = createHash('sha256').update(body).digest()
        const same = equal(actual, Buffer.from(digest, 'base64'))
        return same ? accept(context, entry) : invalid(context, 'Invalid digest')
      } catch (error) {
        if (error instanceof BodyTooLarge) return { status: 413 }
        throw error
      }
    }
    return {
      rewrite(context) {
        clearIdentity(context)
        const header = context.exchange.headers.get('authorization')
        if (header === undefined) return orAnonymous(context, `${REFUSAL}: missing Authorization header`)
        const given = parameters(header)
        if (given === undefined)
          return orAnonymous(context, `${REFUSAL}: Authorization header does not start with 'Signature'`)
        const entry = signer(context, given)
        if (typeof entry === 'string') return invalid(context, entry)
        return own.validate_request_body ? judgeBody(context, entry) : accept(context, entry)
      },
    }
  },
}
