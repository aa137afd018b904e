import { hostname } from 'node:os'
import type { RequestContext } from '../dataplane/context.ts'
import { isObject, type JsonObject } from '../objects/index.ts'

const HOST = hostname()

/** `log_format`: values with $variables expanded, nested maps too. */
function formatted(format: JsonObject, context: RequestContext): JsonObject {
  const entries = Object.entries(format).map(([name, value]) => {
    if (isObject(value)) return [name, formatted(value, context)]
    return [name, typeof value === 'string' ? context.expand(value) : value]
  })
  return { ...Object.fromEntries(entries) }
}

const SECRET: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'apikey',
  'x-api-key',
  'set-cookie',
])

/** Header fields without what would let a reader of the log in; a log_format that names one gets it. */
function redacted(fields: Record<string, string>): Record<string, string> {
  for (const name of Object.keys(fields)) if (SECRET.has(name)) fields[name] = '***'
  return fields
}

/** The arguments of a query; several of one name are a list. */
function argumentsOf(query: string): JsonObject {
  const found: JsonObject = {}
  for (const [name, value] of new URLSearchParams(query)) {
    const before = found[name]
    found[name] = before === undefined ? value : [before, value].flat()
  }
  return found
}

/** What a logging plugin writes about a request: its `log_format`, or APISIX's default entry. Call in the log phase. */
export function logEntry(
  context: RequestContext,
  format: JsonObject | undefined,
  extra?: JsonObject | undefined,
): JsonObject {
  const added = extra === undefined ? {} : formatted(extra, context)
  if (format !== undefined) return { ...formatted(format, context), ...added, route_id: context.route?.id }
  const { exchange } = context
  const total = performance.now() - exchange.startedAt
  const upstream = context.upstreamMs
  const target = exchange.request.target
  return {
    client_ip: context.remoteAddr,
    request: {
      method: context.method,
      uri: target,
      url: `${context.scheme}://${context.rawHost}${target}`,
      headers: redacted(exchange.headers.entries()),
      querystring: argumentsOf(context.query),
      size: exchange.bytesReceived,
    },
    response: {
      status: exchange.status,
      headers: redacted({ ...context.sentFields }),
      size: exchange.writer.bytes,
    },
    server: { hostname: HOST },
    upstream: context.upstreamAddr,
    route_id: context.route?.id ?? '',
    service_id: context.service?.id ?? '',
    ...(context.consumer === undefined ? {} : { consumer: { username: context.consumer.username } }),
    start_time: Math.round(Date.now() - total),
    latency: total,
    upstream_latency: upstream,
    apisix_latency: Math.max(0, total - upstream),
    ...added,
  }
}
