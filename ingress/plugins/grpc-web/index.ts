import type { FieldTable, Response } from '../../http/index.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin } from '../plugin.ts'

const TRAILER_FRAME = 0x80

interface State {
  readonly text: boolean
  readonly contentType: string
  /** The answer is a gRPC server's, and has its status not in the head already, as one without messages may. */
  framed: boolean
  /** Bytes that do not fill a group of three yet: base64 pieces end at such. */
  rest: Buffer
}

/** Trailer fields as the last frame of a body (grpc-web protocol, "trailers"). */
function trailerFrame(lines: string): Buffer {
  const body = Buffer.from(lines)
  const head = Buffer.alloc(5)
  head[0] = TRAILER_FRAME
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body])
}

function linesOf(trailers: FieldTable | undefined): string {
  let lines = ''
  for (let index = 0; index < (trailers?.count ?? 0); index++)
    lines += `${trailers?.name(index).toLowerCase()}: ${trailers?.value(index)}\r\n`
  return lines
}

/** Lets browsers speak gRPC: their requests become gRPC, the trailers of the answer a last frame of its body. */
export const grpcWeb: Plugin = {
  name: 'grpc-web',
  priority: 505,
  schema: {
    type: 'object',
    properties: {
      cors_allow_headers: { type: 'string', default: 'content-type,x-grpc-web,x-user-agent' },
      max_req_body_size: { type: 'integer', minimum: 1, default: 67_108_864 },
    },
  },
  compile(conf) {
    const states = new PerRequest<State>()
    return {
      access(context) {
        const { headers } = context.exchange
        if (context.method === 'OPTIONS') return { status: 204, body: '' }
        if (context.method !== 'POST') return { status: 405 }
        const contentType = (headers.get('content-type') ?? '').toLowerCase()
        const match = /^application\/grpc-web(-text)?(\+[a-z0-9.-]+)?(?:;|$)/.exec(contentType)
        if (match === null) return { status: 400 }
        const text = match[1] !== undefined
        states.set(context, { text, contentType, framed: false, rest: Buffer.alloc(0) })
        headers.set('Content-Type', `application/grpc${match[2] ?? ''}`)
        if (!text) return undefined
        return context.exchange.collectBody(Number(conf.max_req_body_size)).then(
          (body) => {
            // Pieces of base64, each with padding of its own, may follow each other.
            const pieces = body.toString('latin1').match(/[^=]+=*/g) ?? []
            context.exchange.collected = Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'base64')))
            return undefined
          },
          () => ({ status: 413 }),
        )
      },
      headerFilter(context, response: Response) {
        const { headers } = response
        // The cors plugin, if it is there too, knows better.
        if (!headers.has('access-control-allow-origin')) headers.set('Access-Control-Allow-Origin', '*')
        headers.set('Access-Control-Expose-Headers', 'grpc-message,grpc-status')
        if (context.method === 'OPTIONS') {
          headers.set('Access-Control-Allow-Methods', 'POST')
          headers.set('Access-Control-Allow-Headers', String(conf.cors_allow_headers))
          return
        }
        const state = states.get(context)
        if (state === undefined || !response.upstream) return
        headers.set('Content-Type', state.contentType)
        state.framed = !headers.has('grpc-status')
      },
      filtersBody: (context) => states.get(context)?.framed === true,
      bodyFilter(context, chunk, { last, trailers }) {
        const state = states.get(context)
        if (state === undefined) return chunk
        const pieces = chunk === undefined ? [] : [chunk]
        if (last) pieces.push(trailerFrame(linesOf(trailers)))
        if (!state.text) return pieces.length === 0 ? undefined : Buffer.concat(pieces)
        const all = Buffer.concat([state.rest, ...pieces])
        const whole = last ? all.length : all.length - (all.length % 3)
        state.rest = all.subarray(whole)
        return Buffer.from(all.subarray(0, whole).toString('base64'))
      },
    }
  },
}
