import { beginCompression, type CompressionConf, compressionProperties } from '../compression.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin } from '../plugin.ts'
import { GzipMember } from './member.ts'

interface State {
  readonly member: GzipMember
  /** What waits to be worth compressing; only if the length is known, so that nobody waits for more of it. */
  held: Buffer[]
  size: number
  readonly gather: boolean
}

const PIECE = 32 * 1024

/** Compresses answers for clients that take gzip. */
export const gzip: Plugin = {
  name: 'gzip',
  priority: 995,
  schema: {
    type: 'object',
    properties: {
      ...compressionProperties,
      comp_level: { type: 'integer', minimum: 1, maximum: 9, default: 1 },
      buffers: {
        type: 'object',
        properties: {
          number: { type: 'integer', minimum: 1, default: 32 },
          size: { type: 'integer', minimum: 1, default: 4096 },
        },
        default: {},
      },
    },
  },
  compile(conf) {
    const own = conf as unknown as CompressionConf & { readonly comp_level: number }
    const states = new PerRequest<State>()
    return {
      headerFilter(context, response) {
        const gather = response.length !== -1
        if (beginCompression(own, 'gzip', context, response))
          states.set(context, { member: new GzipMember(own.comp_level), held: [], size: 0, gather })
      },
      filtersBody: (context) => states.has(context),
      bodyFilter(context, chunk, { last }) {
        const state = states.get(context)
        if (state === undefined) return chunk
        if (chunk !== undefined) {
          state.held.push(chunk)
          state.size += chunk.length
        }
        if (!last && state.gather && state.size < PIECE) return undefined
        const pieces = state.size === 0 ? [] : [state.member.push(Buffer.concat(state.held))]
        state.held = []
        state.size = 0
        if (last) pieces.push(state.member.end())
        return pieces.length === 0 ? undefined : Buffer.concat(pieces)
      },
    }
  },
}
