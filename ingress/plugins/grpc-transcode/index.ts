import type protobuf from 'protobufjs'
import type { RequestContext } from '../../dataplane/context.ts'
import { BodyTooLarge } from '../../http/index.ts'
import { isObject, type JsonObject } from '../../objects/index.ts'
import type { Plugin, PluginAnswer, PluginEnvironment } from '../plugin.ts'
import { findMethod, findType, loadDefinitions, type Method } from './definitions.ts'
import { decodeMessage, encodeMessage, messageOptions } from './messages.ts'
import { describeStatus, httpStatus } from './status.ts'

interface Conf {
  readonly proto_id: string | number
  readonly service: string
  readonly method: string
  readonly deadline: number
  readonly pb_option: readonly string[]
  readonly show_status_in_body: boolean
  readonly status_detail_type?: string
}

interface Call {
  /** A server answered; what the gateway itself says stays as it is. */
  answered: boolean
  readonly method: Method
  /** What of the answer is no whole message yet. */
  rest: Buffer
  messages: number
  /** A body of our own for an answer that failed. */
  failure: Buffer | undefined
}

const BODY_LIMIT = 64 * 1024 * 1024
const OPTIONS = [
  'enum_as_name',
  'enum_as_value',
  'int64_as_number',
  'int64_as_string',
  'int64_as_hexstring',
  'auto_default_values',
  'no_default_values',
  'use_default_values',
  'use_default_metatable',
  'enable_hooks',
  'disable_hooks',
]

/** The fields of a form or query; a name that comes again makes a list. */
function formFields(text: string): JsonObject {
  const fields: Record<string, string | string[]> = {}
  for (const [name, value] of new URLSearchParams(text)) {
    const before = fields[name]
    fields[name] = before === undefined ? value : [before, value].flat()
  }
  return fields
}

function requestFields(context: RequestContext, body: Buffer): JsonObject {
  const type = context.exchange.headers.get('content-type') ?? ''
  if (context.method === 'GET' || body.length === 0) return formFields(context.query)
  if (!/^application\/json\b/i.test(type)) return formFields(body.toString('utf8'))
  const value: unknown = JSON.parse(body.toString('utf8'))
  if (!isObject(value)) throw new Error('the body is no JSON object')
  return value
}

/** A message on the wire: not compressed, its length, its bytes. */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Takes the whole messages off the beginning of what has arrived. */
function takeMessages(call: Call, chunk: Buffer): Buffer[] {
  const found: Buffer[] = []
  let all = call.rest.length === 0 ? chunk : Buffer.concat([call.rest, chunk])
  while (all.length >= 5 && all.length >= 5 + all.readUInt32BE(1)) {
    const end = 5 + all.readUInt32BE(1)
    found.push(all.subarray(5, end))
    all = all.subarray(end)
  }
  call.rest = Buffer.from(all)
  return found
}

/** The definitions of a protos object, compiled once for all routes. */
function definitionsOf({ proto, state }: PluginEnvironment, id: string): protobuf.Root | undefined {
  const content = proto(id)
  if (content === undefined) return undefined
  const known = state.get(id) as { readonly content: string; readonly root: protobuf.Root } | undefined
  if (known?.content === content) return known.root
  const root = loadDefinitions(content)
  state.set(id, { content, root })
  return root
}

/** Lets clients call a gRPC method with JSON, a form or a query, and gives them JSON. */
export const grpcTranscode: Plugin = {
  name: 'grpc-transcode',
  priority: 506,
  schema: {
    type: 'object',
    properties: {
      proto_id: {
        anyOf: [
          { type: 'string', minLength: 1 },
          { type: 'integer', minimum: 1 },
        ],
      },
      service: { type: 'string' },
      method: { type: 'string' },
      deadline: { type: 'number', default: 0 },
      pb_option: {
        type: 'array',
        items: { type: 'string', enum: OPTIONS },
        minItems: 1,
        default: ['enum_as_name', 'int64_as_number', 'auto_default_values', 'disable_hooks'],
      },
      show_status_in_body: { type: 'boolean', default: false },
      status_detail_type: { type: 'string' },
    },
    required: ['proto_id', 'service', 'method'],
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const options = messageOptions(own.pb_option)
    const calls = new WeakMap<RequestContext, Call>()
    const fail = (why: string, status: number): PluginAnswer => {
      const object = environment.owner
      environment.log.error({ plugin: 'grpc-transcode', object }, why)
      return { status }
    }
    const send = (context: RequestContext, method: Method, body: Buffer): PluginAnswer | undefined => {
      const { exchange } = context
      try {
        exchange.collected = framed(encodeMessage(method.request, requestFields(context, body)))
      } catch (error) {
        return fail(`the request is no ${method.request.name}: ${String(error)}`, 400)
      }
      exchange.headers.set('Content-Type', 'application/grpc')
      exchange.headers.set('TE', 'trailers')
      // No message may come back compressed.
      for (const name of ['grpc-accept-encoding', 'accept-encoding']) exchange.headers.remove(name)
      if (own.deadline > 0) exchange.headers.set('grpc-timeout', `${own.deadline}m`)
      context.upstreamMethod = 'POST'
      context.upstreamTarget = method.path
      calls.set(context, { method, answered: false, rest: Buffer.alloc(0), messages: 0, failure: undefined })
      return undefined
    }
    return {
      access(context) {
        const root = definitionsOf(environment, String(own.proto_id))
        if (root === undefined) return fail(`there is no proto ${own.proto_id}`, 503)
        const method = findMethod(root, own.service, own.method)
        if (method === undefined)
          return fail(`proto ${own.proto_id} has no method ${own.service}/${own.method}`, 503)
        if (context.method === 'GET') return send(context, method, Buffer.alloc(0))
        return context.exchange.collectBody(BODY_LIMIT).then(
          (body) => send(context, method, body),
          (error: unknown) => ({ status: error instanceof BodyTooLarge ? 413 : 400 }),
        )
      },
      headerFilter(context, response) {
        const call = calls.get(context)
        if (call === undefined || !response.upstream) return
        call.answered = true
        const { headers } = response
        headers.set('Content-Type', 'application/json')
        response.length = -1
        const status = httpStatus(headers.get('grpc-status'))
        if (status === undefined) return
        response.status = status
        response.reason = ''
        const details = headers.get('grpc-status-details-bin')
        if (!own.show_status_in_body || details === undefined) return
        const { status_detail_type: wanted } = own
        const type = wanted === undefined ? undefined : findType(call.method.root, wanted)
        try {
          if (wanted !== undefined && type === undefined) throw new Error(`there is no ${wanted}`)
          call.failure = Buffer.from(JSON.stringify(describeStatus(details, type, options)))
        } catch (error) {
          call.failure = Buffer.from(`failed to decode details in grpc-status-details-bin: ${String(error)}`)
        }
      },
      filtersBody: (context) => calls.get(context)?.answered === true,
      bodyFilter(context, chunk, { last }) {
        const call = calls.get(context)
        if (call === undefined) return chunk
        if (call.failure !== undefined) return last ? call.failure : undefined
        const texts = takeMessages(call, chunk ?? Buffer.alloc(0)).map((message) => {
          const text = JSON.stringify(decodeMessage(call.method.response, message, options))
          return call.messages++ === 0 ? text : `\n${text}`
        })
        return texts.length === 0 ? undefined : Buffer.from(texts.join(''))
      },
    }
  },
}
