import { ADDRESS, type Schema } from '../../objects/index.ts'
import { AddressSet } from '../../route/index.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly whitelist?: readonly string[]
  readonly blacklist?: readonly string[]
  readonly message: string
  readonly response_code: number
}

const LIST: Schema = { type: 'array', items: ADDRESS, minItems: 1 }

/** Lets client addresses in or keeps them out. */
export const ipRestriction: Plugin = {
  name: 'ip-restriction',
  priority: 3000,
  schema: {
    type: 'object',
    properties: {
      whitelist: LIST,
      blacklist: LIST,
      message: { type: 'string', minLength: 1, maxLength: 1024, default: 'Your IP address is not allowed' },
      response_code: { type: 'integer', minimum: 403, maximum: 404, default: 403 },
    },
    oneOf: [{ required: ['whitelist'] }, { required: ['blacklist'] }],
  },
  check(conf) {
    const { whitelist, blacklist } = conf as unknown as Conf
    try {
      new AddressSet([...(whitelist ?? []), ...(blacklist ?? [])])
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const allowed = own.whitelist === undefined ? undefined : new AddressSet(own.whitelist)
    const denied = own.blacklist === undefined ? undefined : new AddressSet(own.blacklist)
    return {
      access(context) {
        const address = context.remoteAddr
        const blocked = denied?.has(address) === true || (allowed !== undefined && !allowed.has(address))
        return blocked ? { status: own.response_code, body: { message: own.message } } : undefined
      },
    }
  },
}
