import type { RequestContext } from '../../dataplane/context.ts'
import { isObject, type JsonObject } from '../../objects/index.ts'
import { Batch } from '../batch.ts'
import { post } from '../logger/logger-plugin.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin, PluginEnvironment } from '../plugin.ts'
import {
  inShare,
  newSpanId,
  newTraceId,
  parseTraceparent,
  type SpanContext,
  traceparent,
} from '../tracing/ids.ts'

interface Sampler {
  readonly name: 'always_on' | 'always_off' | 'trace_id_ratio' | 'parent_base'
  readonly options?: {
    readonly fraction?: number
    readonly root?: Sampler
  }
}

interface Conf {
  readonly sampler: Sampler
  readonly additional_attributes?: readonly string[]
  readonly additional_header_prefix_attributes?: readonly string[]
}

const SPAN_KIND_SERVER = 2
const ERROR = 2

function decides(sampler: Sampler, traceId: string, parent: boolean | undefined): boolean {
  switch (sampler.name) {
    case 'always_on':
      return true
    case 'always_off':
      return false
    case 'trace_id_ratio':
      return inShare(traceId, sampler.options?.fraction ?? 0)
    default:
      return parent ?? decides(sampler.options?.root ?? { name: 'always_off' }, traceId, undefined)
  }
}

/** An attribute as OTLP's JSON has it (opentelemetry-proto, common.proto). */
function attribute(key: string, value: string | number): JsonObject {
  return { key, value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value } }
}

/** Settings: plugin_metadata, else plugin_attr of config.yaml. */
function settingsOf(environment: PluginEnvironment): JsonObject {
  return { ...environment.attributes, ...environment.metadata() }
}

async function send(environment: PluginEnvironment, spans: readonly JsonObject[]): Promise<void> {
  const settings = settingsOf(environment)
  const collector = isObject(settings.collector) ? settings.collector : {}
  const address = String(collector.address ?? '127.0.0.1:4318')
  const resource = { 'service.name': 'APISIX', ...(isObject(settings.resource) ? settings.resource : {}) }
  const attributes = Object.entries(resource).map(([key, value]) => attribute(key, String(value)))
  const scopeSpans = [{ scope: { name: 'opentelemetry-lua' }, spans }]
  const headers = isObject(collector.request_headers) ? collector.request_headers : {}
  const named = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  try {
    await post({
      url: `${/^https?:/.test(address) ? address : `http://${address}`}/v1/traces`,
      headers: { ...named, 'Content-Type': 'application/json' },
      body: JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans }] }),
      timeout: Number(collector.request_timeout ?? 3),
      verify: true,
    })
  } catch (error) {
    environment.log.warn({ plugin: 'opentelemetry', lost: spans.length, err: error }, 'spans lost')
  }
}

function attributesOf(own: Conf, context: RequestContext): JsonObject[] {
  const { exchange, route, service } = context
  const found = [
    attribute('net.host.name', context.host),
    attribute('http.method', context.method),
    attribute('http.scheme', context.scheme),
    attribute('http.host', context.rawHost),
    attribute('http.target', exchange.request.target),
    attribute('http.user_agent', exchange.headers.get('user-agent') ?? ''),
    attribute('http.status_code', exchange.status),
    attribute('apisix.route_id', route?.id ?? ''),
    attribute('apisix.route_name', route?.route.name ?? ''),
    attribute('http.route', route?.match.uris[0] ?? ''),
  ]
  if (service !== undefined) {
    found.push(attribute('apisix.service_id', String(service.id)))
    if (service.name !== undefined) found.push(attribute('apisix.service_name', service.name))
  }
  for (const name of own.additional_attributes ?? []) {
    const value = context.variables(name)
    if (value !== undefined && value !== '') found.push(attribute(name, String(value)))
  }
  const prefixes = own.additional_header_prefix_attributes ?? []
  if (prefixes.length > 0) {
    for (const [name, value] of Object.entries(exchange.headers.entries())) {
      const wanted = prefixes.some((one) =>
        one.endsWith('*') ? name.startsWith(one.slice(0, -1).toLowerCase()) : name === one.toLowerCase(),
      )
      if (wanted) found.push(attribute(name, value))
    }
  }
  return found
}

/** Sends a span per request to an OpenTelemetry collector and passes the trace context on. */
export const opentelemetry: Plugin = {
  name: 'opentelemetry',
  priority: 12_009,
  schema: {
    type: 'object',
    properties: {
      sampler: {
        type: 'object',
        properties: {
          name: {
            type: 'string',
            enum: ['always_on', 'always_off', 'trace_id_ratio', 'parent_base'],
            default: 'always_off',
          },
          options: {
            type: 'object',
            properties: {
              fraction: { type: 'number', minimum: 0, maximum: 1, default: 0 },
              root: {
                type: 'object',
                properties: {
                  name: {
                    type: 'string',
                    enum: ['always_on', 'always_off', 'trace_id_ratio'],
                    default: 'always_off',
                  },
                  options: {
                    type: 'object',
                    properties: { fraction: { type: 'number', minimum: 0, maximum: 1, default: 0 } },
                  },
                },
              },
            },
          },
        },
        default: { name: 'always_off' },
      },
      additional_attributes: { type: 'array', items: { type: 'string', minLength: 1 } },
      additional_header_prefix_attributes: { type: 'array', items: { type: 'string', minLength: 1 } },
    },
  },
  metadataSchema: {
    type: 'object',
    properties: {
      trace_id_source: { type: 'string', enum: ['x-request-id', 'random'] },
      resource: { type: 'object' },
      collector: { type: 'object' },
      set_ngx_var: { type: 'boolean' },
    },
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const spans = new PerRequest<SpanContext>()
    const batch = new Batch<JsonObject>({
      size: 1000,
      delayMs: 1000,
      limit: 10_000,
      send: (entries) => send(environment, entries),
    })
    return {
      rewrite(context) {
        const { headers } = context.exchange
        const parent = parseTraceparent(headers.get('traceparent'))
        const source = settingsOf(environment).trace_id_source
        const requested = (headers.get('x-request-id') ?? '').replaceAll('-', '').toLowerCase()
        const own32 = source === 'x-request-id' && /^[0-9a-f]{32}$/.test(requested) ? requested : newTraceId()
        const traceId = parent?.traceId ?? own32
        const sampled = decides(own.sampler, traceId, parent?.sampled)
        const span: SpanContext = { traceId, spanId: newSpanId(), parentId: parent?.parentId, sampled }
        spans.set(context, span)
        headers.set('traceparent', traceparent(span))
        // What belonged to a trace context that is not continued says nothing about this one.
        if (parent === undefined && headers.has('tracestate')) headers.remove('tracestate')
        return undefined
      },
      log(context) {
        const span = spans.get(context)
        if (span === undefined || !span.sampled) return
        const took = performance.now() - context.exchange.startedAt
        const end = Date.now()
        const nanoseconds = (ms: number) => `${Math.round(ms * 1000)}000`
        batch.push({
          traceId: span.traceId,
          spanId: span.spanId,
          ...(span.parentId === undefined ? {} : { parentSpanId: span.parentId }),
          name: `${context.method} ${context.route?.match.uris[0] ?? context.path}`,
          kind: SPAN_KIND_SERVER,
          startTimeUnixNano: nanoseconds(end - took),
          endTimeUnixNano: nanoseconds(end),
          attributes: attributesOf(own, context),
          ...(context.exchange.status >= 500 ? { status: { code: ERROR } } : {}),
        })
      },
    }
  },
}
