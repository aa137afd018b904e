import net from 'node:net'
import { AddressSet } from '../../route/index.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly source: string
  readonly trusted_addresses?: readonly string[]
  readonly recursive: boolean
}

/** An address, with or without port and brackets; undefined if it is none. */
function addressIn(text: string): string | undefined {
  const bare = text.trim()
  if (net.isIP(bare) !== 0) return bare
  const inner = /^\[(.+)\](?::\d+)?$/.exec(bare)?.[1] ?? /^([\d.]+):\d+$/.exec(bare)?.[1]
  return inner !== undefined && net.isIP(inner) !== 0 ? inner : undefined
}

/** Takes the client's address from a header or argument, if the peer is one that may say so. */
export const realIp: Plugin = {
  name: 'real-ip',
  priority: 23_000,
  schema: {
    type: 'object',
    properties: {
      source: { type: 'string', minLength: 1 },
      trusted_addresses: { type: 'array', items: { type: 'string' }, minItems: 1 },
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
        const chain = String(value).split(',')
        let found = addressIn(chain.at(-1) ?? '')
        if (own.recursive && trusted !== undefined) {
          // From the nearest hop outwards: the first one that is not ours is the client.
          for (const hop of chain.reverse()) {
            found = addressIn(hop)
            if (found === undefined || !trusted.has(found)) break
          }
        }
        if (found !== undefined) context.remoteAddr = found
        return undefined
      },
    }
  },
}
