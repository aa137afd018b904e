import { Buffer } from 'node:buffer'
import { PerRequest } from '../per-request.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly before_body?: string
  readonly body?: string
  readonly after_body?: string
  readonly headers?: Readonly<Record<string, string | number>>
}

/** Puts text before, after or in place of an answer's body; for trying things out. */
export const echo: Plugin = {
  name: 'echo',
  priority: 412,
  schema: {
    type: 'object',
    minProperties: 1,
    properties: {
      before_body: { type: 'string' },
      body: { type: 'string' },
      after_body: { type: 'string' },
      headers: { type: 'object', minProperties: 1 },
    },
    anyOf: [{ required: ['before_body'] }, { required: ['body'] }, { required: ['after_body'] }],
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const begun = new PerRequest<true>()
    return {
      headerFilter(_context, response) {
        for (const [name, value] of Object.entries(own.headers ?? {}))
          response.headers.set(name, String(value))
      },
      bodyFilter(context, chunk, { last }) {
        const pieces: Buffer[] = []
        if (!begun.has(context)) {
          begun.set(context, true)
          pieces.push(Buffer.from((own.before_body ?? '') + (own.body ?? '')))
        }
        if (chunk !== undefined && own.body === undefined) pieces.push(chunk)
        if (last) pieces.push(Buffer.from(own.after_body ?? ''))
        return Buffer.concat(pieces)
      },
    }
  },
}
