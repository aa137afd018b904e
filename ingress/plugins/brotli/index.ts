import { brotliCompressSync, constants } from 'node:zlib'
import { beginCompression, type CompressionConf, compressionProperties } from '../compression.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin } from '../plugin.ts'

interface Conf extends CompressionConf {
  readonly comp_level: number
  readonly mode: number
  readonly lgwin: number
  readonly lgblock: number
}

// Compressed in one go when the body is there: longer bodies, and those of unknown length, are left to gzip.
const MAX_LENGTH = 1024 * 1024

/** Compresses answers for clients that take brotli (RFC 7932). */
export const brotli: Plugin = {
  name: 'brotli',
  priority: 996,
  schema: {
    type: 'object',
    properties: {
      ...compressionProperties,
      mode: { type: 'integer', minimum: 0, maximum: 2, default: 0 },
      comp_level: { type: 'integer', minimum: 0, maximum: 11, default: 6 },
      lgwin: { enum: [0, ...Array.from({ length: 15 }, (_, n) => n + 10)], default: 19 },
      lgblock: { enum: [0, ...Array.from({ length: 9 }, (_, n) => n + 16)], default: 0 },
    },
  },
  compile(conf) {
    const own = conf as unknown as Conf
    const params = {
      [constants.BROTLI_PARAM_MODE]: own.mode,
      [constants.BROTLI_PARAM_QUALITY]: own.comp_level,
      [constants.BROTLI_PARAM_LGBLOCK]: own.lgblock,
      ...(own.lgwin === 0 ? {} : { [constants.BROTLI_PARAM_LGWIN]: own.lgwin }),
    }
    const pieces = new PerRequest<Buffer[]>()
    return {
      headerFilter(context, response) {
        if (response.length === -1 || response.length > MAX_LENGTH) return
        if (beginCompression(own, 'br', context, response)) pieces.set(context, [])
      },
      filtersBody: (context) => pieces.has(context),
      bodyFilter(context, chunk, { last }) {
        const held = pieces.get(context)
        if (held === undefined) return chunk
        if (chunk !== undefined) held.push(chunk)
        return last ? brotliCompressSync(Buffer.concat(held), { params }) : undefined
      },
    }
  },
}
