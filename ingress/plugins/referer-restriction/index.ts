import type { Schema } from '../../objects/index.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly whitelist?: readonly string[]
  readonly blacklist?: readonly string[]
  readonly bypass_missing: boolean
  readonly message: string
}

const LIST: Schema = {
  type: 'array',
  items: { type: 'string', pattern: '^\\*?[0-9a-zA-Z-._]+$' },
  minItems: 1,
}

function hostOf(referer: string): string | undefined {
  try {
    return new URL(referer).hostname.toLowerCase()
  } catch {
    return undefined
  }
}

/** `*.example.org` stands for every name below it. */
function listed(list: readonly string[], host: string): boolean {
  return list.some((one) =>
    one.startsWith('*') ? host.endsWith(one.slice(1).toLowerCase()) : host === one.toLowerCase(),
  )
}

/** Lets requests in or keeps them out by the site that led to them. */
export const refererRestriction: Plugin = {
  name: 'referer-restriction',
  priority: 2990,
  schema: {
    type: 'object',
    properties: {
      whitelist: LIST,
      blacklist: LIST,
      bypass_missing: { type: 'boolean', default: false },
      message: { type: 'string', minLength: 1, maxLength: 1024, default: 'Your referer host is not allowed' },
    },
    oneOf: [{ required: ['whitelist'] }, { required: ['blacklist'] }],
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const refusal = { status: 403, body: { message: own.message } }
    return {
      access(context) {
        const host = hostOf(context.exchange.headers.get('referer') ?? '')
        if (host === undefined) return own.bypass_missing ? undefined : refusal
        const blocked =
          own.whitelist === undefined ? listed(own.blacklist ?? [], host) : !listed(own.whitelist, host)
        return blocked ? refusal : undefined
      },
    }
  },
}
