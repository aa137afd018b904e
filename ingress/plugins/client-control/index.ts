import type { Plugin } from '../plugin.ts'

/** Limits the size of request bodies of a route; 0 means no limit. */
export const clientControl: Plugin = {
  name: 'client-control',
  priority: 22_000,
  schema: { type: 'object', properties: { max_body_size: { type: 'integer', minimum: 0 } } },
  compile(conf) {
    const limit = conf.max_body_size
    return {
      rewrite(context) {
        if (typeof limit !== 'number') return undefined
        const { exchange } = context
        if (limit > 0 && exchange.framing.length > limit) return { status: 413 }
        // A body of unknown length is stopped where it passes the limit.
        exchange.bodyLimit = limit
        return undefined
      },
    }
  },
}
