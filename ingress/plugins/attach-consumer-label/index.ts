import type { Plugin } from '../plugin.ts'

/** Passes labels of the consumer to the upstream as header fields. */
export const attachConsumerLabel: Plugin = {
  name: 'attach-consumer-label',
  priority: 2399,
  schema: {
    type: 'object',
    properties: {
      headers: {
        type: 'object',
        additionalProperties: { type: 'string', pattern: '^\\$.*' },
        minProperties: 1,
      },
    },
    required: ['headers'],
  },
  compile(conf) {
    const headers = Object.entries(conf.headers as Record<string, string>)
    return {
      // After authentication, in whatever plugin: labels of nobody are nobody's, so what the client sent is removed first.
      beforeProxy(context) {
        for (const [name, label] of headers) {
          const value = context.consumer?.labels?.[label.slice(1)]
          if (value !== undefined) context.exchange.headers.set(name, value)
          else if (context.exchange.headers.has(name)) context.exchange.headers.remove(name)
        }
        return undefined
      },
    }
  },
}
