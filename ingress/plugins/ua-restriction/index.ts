import type { Schema } from '../../objects/index.ts'
import { checkPatterns } from '../patterns.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly allowlist?: readonly string[]
  readonly denylist?: readonly string[]
  readonly bypass_missing: boolean
  readonly message: string
}

const LIST: Schema = { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1 }

/** Lets user agents in or keeps them out. */
export const uaRestriction: Plugin = {
  name: 'ua-restriction',
  priority: 2999,
  schema: {
    type: 'object',
    properties: {
      allowlist: LIST,
      denylist: LIST,
      bypass_missing: { type: 'boolean', default: false },
      message: { type: 'string', minLength: 1, maxLength: 1024, default: 'Not allowed' },
    },
    oneOf: [{ required: ['allowlist'] }, { required: ['denylist'] }],
  },
  check: (conf) => checkPatterns(conf.allowlist) ?? checkPatterns(conf.denylist),
  compile(conf) {
    const own = conf as unknown as Conf
    const allowed = own.allowlist?.map((one) => new RegExp(one, 'i'))
    const denied = own.denylist?.map((one) => new RegExp(one, 'i'))
    const refusal = { status: 403, body: { message: own.message } }
    return {
      access(context) {
        const agent = context.exchange.headers.get('user-agent')
        if (agent === undefined) return own.bypass_missing ? undefined : refusal
        if (denied?.some((one) => one.test(agent)) === true) return refusal
        return allowed?.some((one) => one.test(agent)) === false ? refusal : undefined
      },
    }
  },
}
