import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject } from '../../objects/index.ts'
import { Batch } from '../batch.ts'
import { post } from '../logger/logger-plugin.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin } from '../plugin.ts'
import { newSpanId, newTraceId, type SpanContext } from '../tracing/ids.ts'

interface Conf {
  readonly endpoint: string
  readonly sample_ratio: number
  readonly service_name: string
  readonly server_addr?: string
}

const ID = /^[0-9a-f]{16}(?:[0-9a-f]{16})?$/i

/** The trace a request belongs to by its B3 fields (openzipkin/b3-propagation), one field or several. */
function arrived(context: RequestContext): Partial<SpanContext> | undefined | 'bad' {
  const { headers } = context.exchange
  const single = headers.get('b3')
  if (single !== undefined) {
    if (/^[01d]$/.test(single)) return { sampled: single !== '0' }
    const [traceId = '', spanId = '', state, parentId] = single.split('-')
    if (!ID.test(traceId) || !/^[0-9a-f]{16}$/i.test(spanId)) return 'bad'
    const decided = state === undefined ? {} : { sampled: state !== '0' }
    return { traceId, spanId, parentId, ...decided }
  }
  const traceId = headers.get('x-b3-traceid')
  const spanId = headers.get('x-b3-spanid')
  const state = headers.get('x-b3-sampled')
  const decided = state === undefined ? {} : { sampled: state === '1' || state === 'true' }
  if (headers.get('x-b3-flags') === '1') Object.assign(decided, { sampled: true })
  if (traceId === undefined || spanId === undefined) return decided
  if (!ID.test(traceId) || !/^[0-9a-f]{16}$/i.test(spanId)) return 'bad'
  return { traceId, spanId, parentId: headers.get('x-b3-parentspanid'), ...decided }
}

/** Sends spans of requests to Zipkin (or what speaks its v2 API) and passes B3 fields on. */
export const zipkin: Plugin = {
  name: 'zipkin',
  priority: 12_011,
  schema: {
    type: 'object',
    properties: {
      endpoint: { type: 'string', pattern: '^https?://' },
      sample_ratio: { type: 'number', minimum: 0.00001, maximum: 1 },
      service_name: { type: 'string', minLength: 1, default: 'APISIX' },
      server_addr: { type: 'string', pattern: '^[0-9]{1,3}.[0-9]{1,3}.[0-9]{1,3}.[0-9]{1,3}$' },
      span_version: { enum: [1, 2], default: 2 },
    },
    required: ['endpoint', 'sample_ratio'],
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const spans = new PerRequest<SpanContext>()
    const batch = new Batch<JsonObject>({
      size: 1000,
      delayMs: 1000,
      limit: 10_000,
      send: async (entries) => {
        try {
          const headers = { 'Content-Type': 'application/json' }
          await post({ url: own.endpoint, headers, body: JSON.stringify(entries), timeout: 3, verify: false })
        } catch (error) {
          environment.log.warn({ plugin: 'zipkin', lost: entries.length, err: error }, 'spans lost')
        }
      },
    })
    return {
      rewrite(context) {
        const found = arrived(context)
        if (found === 'bad') return { status: 400, body: { error_msg: 'invalid b3 header' } }
        const sampled = found?.sampled ?? Math.random() < own.sample_ratio
        const span: SpanContext = {
          traceId: found?.traceId ?? newTraceId(),
          spanId: newSpanId(),
          parentId: found?.spanId,
          sampled,
        }
        spans.set(context, span)
        const { headers } = context.exchange
        if (headers.has('b3')) headers.remove('b3')
        headers.set('X-B3-TraceId', span.traceId)
        headers.set('X-B3-SpanId', span.spanId)
        headers.set('X-B3-Sampled', sampled ? '1' : '0')
        if (span.parentId !== undefined) headers.set('X-B3-ParentSpanId', span.parentId)
        return undefined
      },
      log(context) {
        const span = spans.get(context)
        if (span === undefined || !span.sampled) return
        const { exchange, route } = context
        const took = performance.now() - exchange.startedAt
        const startedAt = Date.now() - took
        const { transport } = exchange.connection
        const localEndpoint = {
          serviceName: own.service_name,
          ipv4: own.server_addr ?? transport.localAddress,
          port: transport.localPort,
        }
        const shared = { traceId: span.traceId, localEndpoint }
        batch.push({
          ...shared,
          id: span.spanId,
          ...(span.parentId === undefined ? {} : { parentId: span.parentId }),
          name: 'apisix.request',
          kind: 'SERVER',
          timestamp: Math.round(startedAt * 1000),
          duration: Math.max(1, Math.round(took * 1000)),
          remoteEndpoint: { ipv4: context.remoteAddr },
          tags: {
            component: 'apisix',
            'http.method': context.method,
            'http.path': context.path,
            'http.status_code': String(exchange.status),
            'apisix.route_id': route?.id ?? '',
            ...(route?.route.name === undefined ? {} : { 'apisix.route_name': route.route.name }),
          },
        })
        if (context.upstreamStartedAt === 0) return
        batch.push({
          ...shared,
          id: newSpanId(),
          parentId: span.spanId,
          name: 'apisix.proxy',
          kind: 'CLIENT',
          timestamp: Math.round((startedAt + context.upstreamStartedAt - exchange.startedAt) * 1000),
          duration: Math.max(1, Math.round(context.upstreamMs * 1000)),
          tags: { 'peer.address': context.upstreamAddr, 'http.status_code': context.upstreamStatus },
        })
      },
    }
  },
}
