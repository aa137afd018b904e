import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestContext } from '../../dataplane/context.ts'
import { isObject, type JsonObject, type Schema } from '../../objects/index.ts'
import { compileExpression } from '../../route/index.ts'
import { Batch } from '../batch.ts'
import { call } from '../http-call.ts'
import { logEntry } from '../log-entry.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin, PluginEnvironment } from '../plugin.ts'

/** Sends entries somewhere; rejects if they did not arrive. */
export type Deliver = (entries: readonly JsonObject[]) => Promise<void>

export interface LoggerDefinition {
  readonly name: string
  readonly priority: number
  readonly properties: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly encryptFields?: readonly string[]
  readonly check?: (conf: JsonObject) => string | undefined
  /** Of plugin_metadata, beside log_format. */
  readonly metadataProperties?: Readonly<Record<string, Schema>>
  /** Makes of a request's entry what is sent; `custom`: the entry is what a log_format asks for. */
  readonly shape?: (
    entry: JsonObject,
    context: RequestContext,
    use: { readonly conf: JsonObject; readonly environment: PluginEnvironment; readonly custom: boolean },
  ) => JsonObject
  /** Whether a request is one to log; absent: every one. */
  readonly wants?: (conf: JsonObject, environment: PluginEnvironment) => (context: RequestContext) => boolean
  /** How long an entry waits at most, unless `inactive_timeout` says so. */
  readonly delayMs?: number
  readonly open: (conf: JsonObject, environment: PluginEnvironment) => Deliver
}

const HELD = 10_000
const BODY_BYTES = 524_288

const SHARED: Readonly<Record<string, Schema>> = {
  name: { type: 'string' },
  log_format: { type: 'object' },
  log_format_extra: { type: 'object' },
  include_req_body: { type: 'boolean', default: false },
  include_req_body_expr: { type: 'array', minItems: 1 },
  include_resp_body: { type: 'boolean', default: false },
  include_resp_body_expr: { type: 'array', minItems: 1 },
  max_req_body_bytes: { type: 'integer', minimum: 1, default: BODY_BYTES },
  max_resp_body_bytes: { type: 'integer', minimum: 1, default: BODY_BYTES },
  batch_max_size: { type: 'integer', minimum: 1, default: 1000 },
  inactive_timeout: { type: 'integer', minimum: 1, default: 5 },
  buffer_duration: { type: 'integer', minimum: 1, default: 60 },
  max_retry_count: { type: 'integer', minimum: 0, default: 0 },
  retry_delay: { type: 'integer', minimum: 0, default: 1 },
}

interface Conf {
  readonly log_format?: JsonObject
  readonly log_format_extra?: JsonObject
  readonly include_req_body: boolean
  readonly include_req_body_expr?: readonly unknown[]
  readonly include_resp_body: boolean
  readonly include_resp_body_expr?: readonly unknown[]
  readonly max_req_body_bytes: number
  readonly max_resp_body_bytes: number
  readonly batch_max_size: number
  readonly inactive_timeout: number
  readonly max_retry_count: number
  readonly retry_delay: number
}

interface Bodies {
  request?: Buffer | undefined
  response: Buffer[]
  size: number
}

/** A plugin that sends an entry per request somewhere, in batches; only what is sent to differs between them. */
export function loggerPlugin(definition: LoggerDefinition): Plugin {
  const { name, priority, encryptFields, check } = definition
  return {
    name,
    priority,
    ...(encryptFields === undefined ? {} : { encryptFields }),
    schema: {
      type: 'object',
      properties: { ...SHARED, ...definition.properties },
      ...(definition.required === undefined ? {} : { required: definition.required }),
    },
    metadataSchema: {
      type: 'object',
      properties: {
        log_format: { type: 'object' },
        max_pending_entries: { type: 'integer', minimum: 1 },
        ...definition.metadataProperties,
      },
    },
    check(conf) {
      for (const field of ['include_req_body_expr', 'include_resp_body_expr']) {
        try {
          if (Array.isArray(conf[field])) compileExpression(conf[field])
        } catch (error) {
          return `failed to validate the '${field}' expression: ${error instanceof Error ? error.message : error}`
        }
      }
      return check?.(conf)
    },
    compile(conf, environment) {
      const own = conf as unknown as Conf
      const batch = new Batch<JsonObject>({
        size: own.batch_max_size,
        delayMs: definition.delayMs ?? own.inactive_timeout * 1000,
        limit: () => Number(environment.metadata().max_pending_entries ?? HELD),
        send: withRetries(own, name, environment, definition.open(conf, environment)),
      })
      const wantsRequest = conditional(own.include_req_body, own.include_req_body_expr)
      const wantsResponse = conditional(own.include_resp_body, own.include_resp_body_expr)
      const wants = definition.wants?.(conf, environment) ?? (() => true)
      const kept = new PerRequest<Bodies>()
      const bodiesOf = (context: RequestContext): Bodies => {
        const bodies = kept.get(context) ?? { response: [], size: 0 }
        kept.set(context, bodies)
        return bodies
      }
      return {
        ...(own.include_req_body
          ? {
              access(context: RequestContext) {
                const { exchange } = context
                if (!wantsRequest(context)) return undefined
                if (exchange.collected !== undefined) {
                  bodiesOf(context).request = exchange.collected.subarray(0, own.max_req_body_bytes)
                  return undefined
                }
                const short = exchange.framing.length <= own.max_req_body_bytes
                if (exchange.body.kind !== 'length' || !short) return undefined
                return exchange.collectBody(own.max_req_body_bytes).then((body) => {
                  bodiesOf(context).request = body
                  return undefined
                })
              },
            }
          : {}),
        ...(own.include_resp_body
          ? {
              filtersBody: wantsResponse,
              bodyFilter(context: RequestContext, chunk: Buffer | undefined) {
                const bodies = bodiesOf(context)
                const room = own.max_resp_body_bytes - bodies.size
                if (chunk !== undefined && room > 0) {
                  bodies.response.push(chunk.subarray(0, room))
                  bodies.size += Math.min(room, chunk.length)
                }
                return chunk
              },
            }
          : {}),
        headerFilter(context, { headers }) {
          context.sentFields ??= headers.entries()
        },
        log(context) {
          if (!wants(context)) return
          const shared = environment.metadata().log_format
          const format = own.log_format ?? (isObject(shared) ? shared : undefined)
          const entry = withBodies(logEntry(context, format, own.log_format_extra), kept.get(context))
          const use = { conf, environment, custom: format !== undefined }
          batch.push(definition.shape?.(entry, context, use) ?? entry)
        },
      }
    },
  }
}

function conditional(
  wanted: boolean,
  expression: readonly unknown[] | undefined,
): (context: RequestContext) => boolean {
  if (!wanted) return () => false
  if (expression === undefined) return () => true
  const holds = compileExpression(expression)
  return (context) => holds(context.variables)
}

function withBodies(entry: JsonObject, bodies: Bodies | undefined): JsonObject {
  if (bodies === undefined) return entry
  const request = bodies.request?.toString('utf8')
  const response = bodies.size === 0 ? undefined : Buffer.concat(bodies.response).toString('utf8')
  const within = (part: unknown, body: string | undefined) =>
    body === undefined ? part : { ...(isObject(part) ? part : {}), body }
  return { ...entry, request: within(entry.request, request), response: within(entry.response, response) }
}

function withRetries(
  own: Conf,
  plugin: string,
  environment: PluginEnvironment,
  deliver: Deliver,
): (entries: readonly JsonObject[]) => Promise<void> {
  return async (entries) => {
    for (let attempt = 0; ; attempt++) {
      try {
        await deliver(entries)
        return
      } catch (error) {
        if (attempt < own.max_retry_count) {
          await sleep(own.retry_delay * 1000)
          continue
        }
        const object = environment.owner
        environment.log.warn({ plugin, object, lost: entries.length, err: error }, 'log entries lost')
        return
      }
    }
  }
}

/** One POST; an answer of 400 and more is a failure. */
export async function post(request: {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeout: number
  readonly verify: boolean
}): Promise<void> {
  const { url, headers, body, timeout, verify } = request
  const answer = await call({ url, method: 'POST', headers, body, timeoutMs: timeout * 1000, verify })
  if (answer.status >= 400) throw new Error(`${url} answered ${answer.status}`)
}

/** One of a list, by turns. */
export function byTurns<T>(list: readonly T[]): () => T {
  let next = 0
  return () => list[next++ % list.length] as T
}
