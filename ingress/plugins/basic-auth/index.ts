import { createHash, timingSafeEqual } from 'node:crypto'
import { anonymousOr, attachConsumer, clearIdentity, realmSchema } from '../authentication.ts'
import { basicCredentials } from '../basic-credentials.ts'
import type { AuthEntry } from '../consumers.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

interface Conf {
  readonly realm: string
  readonly hide_credentials: boolean
  readonly anonymous_consumer?: string
}

/** Compares in time that does not depend on where the texts differ. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

type Credentials = ReturnType<typeof basicCredentials>

function faultOf(
  header: string | undefined,
  given: Credentials,
  entry: AuthEntry | undefined,
): string | undefined {
  if (header === undefined) return 'Missing authorization in request'
  if (given === undefined) return 'Invalid authorization in request'
  const known = entry !== undefined && same(given.password, String(entry.conf.password))
  return known ? undefined : 'Invalid user authorization'
}

/** RFC 7617 user name and password, checked against consumers. */
export const basicAuth: Plugin = {
  name: 'basic-auth',
  priority: 2520,
  schema: {
    type: 'object',
    properties: {
      realm: realmSchema('basic'),
      hide_credentials: { type: 'boolean', default: false },
      anonymous_consumer: { type: 'string', minLength: 1 },
    },
  },
  consumerSchema: {
    type: 'object',
    properties: { username: { type: 'string', minLength: 1 }, password: { type: 'string', minLength: 1 } },
    required: ['username', 'password'],
  },
  consumerEncryptFields: ['password'],
  consumerKey: (conf) => String(conf.username),
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const refuse = (message: string): PluginAnswer => ({
      status: 401,
      body: { message },
      headers: { 'WWW-Authenticate': `Basic realm="${own.realm}"` },
    })
    return {
      rewrite(context) {
        clearIdentity(context)
        const header = context.exchange.headers.get('authorization')
        const given = header === undefined ? undefined : basicCredentials(header)
        const entry = given === undefined ? undefined : environment.auth.find('basic-auth', given.user)
        const fault = faultOf(header, given, entry)
        if (own.hide_credentials) context.exchange.headers.remove('authorization')
        if (fault !== undefined || entry === undefined)
          return anonymousOr(refuse, String(fault), context, { conf: own, environment })
        attachConsumer(context, entry, 'basic-auth')
        return undefined
      },
    }
  },
}
