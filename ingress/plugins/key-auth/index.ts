import type { RequestContext } from '../../dataplane/context.ts'
import { queryArgument, removeArgument } from '../../route/index.ts'
import { anonymousOr, attachConsumer, clearIdentity, realmSchema } from '../authentication.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

interface Conf {
  readonly header: string
  readonly query: string
  readonly realm: string
  readonly hide_credentials: boolean
  readonly anonymous_consumer?: string
}

/** Finds the consumer by an API key in a header or query argument. */
export const keyAuth: Plugin = {
  name: 'key-auth',
  priority: 2500,
  schema: {
    type: 'object',
    properties: {
      header: { type: 'string', default: 'apikey' },
      query: { type: 'string', default: 'apikey' },
      realm: realmSchema('key'),
      hide_credentials: { type: 'boolean', default: false },
      anonymous_consumer: { type: 'string', minLength: 1 },
    },
  },
  consumerSchema: {
    type: 'object',
    properties: { key: { type: 'string', minLength: 1 } },
    required: ['key'],
  },
  consumerEncryptFields: ['key'],
  consumerKey: (conf) => String(conf.key),
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const refuse = (message: string): PluginAnswer => ({
      status: 401,
      body: { message },
      headers: { 'WWW-Authenticate': `apikey realm="${own.realm}"` },
    })
    return {
      rewrite(context: RequestContext) {
        clearIdentity(context)
        const header = context.exchange.headers.get(own.header)
        const key = header ?? queryArgument(context.query, own.query)
        const entry = key === undefined ? undefined : environment.auth.find('key-auth', key)
        if (own.hide_credentials && (entry !== undefined || own.anonymous_consumer !== undefined)) {
          // Of one that let nobody in, both places are cleared: the request goes on as somebody else's.
          if (header !== undefined) context.exchange.headers.remove(own.header)
          if (header === undefined || entry === undefined)
            context.upstreamTarget = removeArgument(context.upstreamTarget, own.query)
        }
        if (entry === undefined) {
          const why = key === undefined ? 'Missing API key in request' : 'Invalid API key in request'
          return anonymousOr(refuse, why, context, { conf: own, environment })
        }
        attachConsumer(context, entry, 'key-auth')
        return undefined
      },
    }
  },
}
