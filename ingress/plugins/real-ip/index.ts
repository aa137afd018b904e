import { ADDRESS } from '../../objects/index.ts'
import { AddressSet, clientAddress } from '../../route/index.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly source: string
  readonly trusted_addresses?: readonly string[]
  readonly recursive: boolean
}

/** Takes the client's address from a header or argument, if the peer is one that may say so. */
export const realIp: Plugin = {
  name: 'real-ip',
  priority: 23_000,
  schema: {
    type: 'object',
    properties: {
      source: { type: 'string', minLength: 1 },
      trusted_addresses: { type: 'array', items: ADDRESS, minItems: 1 },
      recursive: { type: 'boolean', default: false },
    },
    required: ['source'],
  },
  check(conf) {
    try {
      new AddressSet((conf.trusted_addresses ?? []) as string[])
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const trusted = own.trusted_addresses === undefined ? undefined : new AddressSet(own.trusted_addresses)
    return {
      rewrite(context) {
        if (trusted?.has(context.remoteAddr) === false) return undefined
        const value = context.variables(own.source)
        if (value === undefined || value === '') return undefined
        const found = clientAddress(String(value), own.recursive ? trusted : undefined)
        if (found !== undefined) context.remoteAddr = found
        return undefined
      },
    }
  },
}
