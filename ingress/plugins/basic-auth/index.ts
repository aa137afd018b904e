import { createHash, timingSafeEqual } from 'node:crypto'
import { attachAnonymous, attachConsumer, clearIdentity } from '../authentication.ts'
import { basicCredentials } from '../basic-credentials.ts'
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

/** RFC 7617 user name and password, checked against consumers. */
export const basicAuth: Plugin = {
  name: 'basic-auth',
  priority: 2520,
  schema: {
    type: 'object',
    properties: {
      realm: { type: 'string', default: 'basic' },
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
        if (
          given === undefined ||
          entry === undefined ||
          !same(given.password, String(entry.conf.password))
        ) {
          if (attachAnonymous(context, own, environment)) return undefined
          if (header === undefined) return refuse('Missing authorization in request')
          return refuse(
            given === undefined ? 'Invalid authorization in request' : 'Invalid user authorization',
          )
        }
        if (own.hide_credentials) context.exchange.headers.remove('authorization')
        attachConsumer(context, entry, 'basic-auth')
        return undefined
      },
    }
  },
}
