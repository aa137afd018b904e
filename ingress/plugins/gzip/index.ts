import { gzipSync } from 'node:zlib'
import type { RequestContext } from '../../dataplane/context.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly types: readonly string[] | '*'
  readonly min_length: number
  readonly comp_level: number
  readonly http_version: number
  readonly vary: boolean
}

// Compressed in one go when the body is there, which blocks for its length: longer bodies, and those of unknown length, pass.
const MAX_LENGTH = 1024 * 1024

function accepted(header: string | undefined): boolean {
  return (header ?? '')
    .split(',')
    .some((part) => /^\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/i.test(part))
}

/** Compresses answers for clients that take gzip. */
export const gzip: Plugin = {
  name: 'gzip',
  priority: 995,
  schema: {
    type: 'object',
    properties: {
      types: {
        anyOf: [
          { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1 },
          { type: 'string', enum: ['*'] },
        ],
        default: ['text/html'],
      },
      min_length: { type: 'integer', minimum: 1, default: 20 },
      comp_level: { type: 'integer', minimum: 1, maximum: 9, default: 1 },
      http_version: { enum: [1.1, 1], default: 1.1 },
      buffers: { type: 'object' },
      vary: { type: 'boolean', default: false },
    },
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const pieces = new WeakMap<RequestContext, Buffer[]>()
    return {
      headerFilter(context, response) {
        const { headers, length, status } = response
        const type = (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
        if (own.types !== '*' && !own.types.includes(type)) return
        if (own.vary) headers.add('Vary', 'Accept-Encoding')
        const { request } = context.exchange
        const fits = length >= own.min_length && length <= MAX_LENGTH
        if (!fits || status < 200 || status === 204 || status === 206 || status === 304) return
        if (request.method === 'HEAD' || request.minor < (own.http_version === 1 ? 0 : 1)) return
        if (headers.has('content-encoding') || !accepted(context.exchange.headers.get('accept-encoding')))
          return
        headers.set('Content-Encoding', 'gzip')
        headers.remove('Accept-Ranges')
        const etag = headers.get('etag')
        // RFC 9110 §8.8.1: other bytes, so no strong validator any more.
        if (etag !== undefined && !etag.startsWith('W/')) headers.set('ETag', `W/${etag}`)
        pieces.set(context, [])
      },
      filtersBody: (context) => pieces.has(context),
      bodyFilter(context, chunk, { last }) {
        const held = pieces.get(context)
        if (held === undefined) return chunk
        if (chunk !== undefined) held.push(chunk)
        return last ? gzipSync(Buffer.concat(held), { level: own.comp_level }) : undefined
      },
    }
  },
}
