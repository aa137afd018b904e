import type { RequestContext } from '../../dataplane/context.ts'
import type { Schema } from '../../objects/index.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

interface Conf {
  readonly type: 'consumer_name' | 'service_id' | 'route_id' | 'consumer_group_id'
  readonly whitelist?: readonly string[]
  readonly blacklist?: readonly string[]
  readonly allowed_by_methods?: readonly { readonly user: string; readonly methods: readonly string[] }[]
  readonly rejected_code: number
  readonly rejected_msg?: string
}

const LIST: Schema = { type: 'array', items: { type: 'string' }, minItems: 1 }

const METHODS: Schema = {
  type: 'array',
  items: {
    type: 'string',
    enum: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'CONNECT', 'TRACE', 'PURGE'],
  },
  minItems: 1,
}

/** Lets consumers (or what a consumer uses) in or keeps them out. */
export const consumerRestriction: Plugin = {
  name: 'consumer-restriction',
  priority: 2400,
  schema: {
    type: 'object',
    properties: {
      type: {
        type: 'string',
        enum: ['consumer_name', 'service_id', 'route_id', 'consumer_group_id'],
        default: 'consumer_name',
      },
      whitelist: LIST,
      blacklist: LIST,
      allowed_by_methods: {
        type: 'array',
        items: { type: 'object', properties: { user: { type: 'string' }, methods: METHODS } },
      },
      rejected_code: { type: 'integer', minimum: 200, default: 403 },
      rejected_msg: { type: 'string' },
    },
    anyOf: [{ required: ['blacklist'] }, { required: ['whitelist'] }, { required: ['allowed_by_methods'] }],
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const forbidden: PluginAnswer = {
      status: own.rejected_code,
      body: { message: own.rejected_msg ?? `The ${own.type} is forbidden.` },
    }
    const unknown: PluginAnswer = {
      status: 401,
      body: { message: `The request is rejected, please check the ${own.type} for this request` },
    }
    return {
      access(context: RequestContext) {
        const value = String(context.variables(own.type) ?? '')
        if (value === '') return unknown
        if (own.blacklist?.includes(value) === true) return forbidden
        const listed = own.whitelist?.includes(value)
        if (listed === false) return forbidden
        // Whoever is on the list may use every method; so may whom no rule names.
        const rule = listed ? undefined : own.allowed_by_methods?.find(({ user }) => user === value)
        return rule === undefined || rule.methods.includes(context.method) ? undefined : forbidden
      },
    }
  },
}
