import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject, Schema } from '../../objects/index.ts'
import { loggerPlugin } from '../logger/logger-plugin.ts'
import { sendUdp } from '../logger/sockets.ts'

/** What the agent reads of one datagram. */
const DATAGRAM_BYTES = 8192

/** Tags begin with a letter and do not end with a colon. */
const TAGS: Schema = {
  type: 'array',
  items: {
    type: 'string',
    minLength: 1,
    maxLength: 200,
    pattern: '^[a-zA-Z\\u00aa-\\uffff][\\w\\u00aa-\\uffff.:/-]*(?<!:)$',
  },
}

interface Metadata {
  readonly host?: string
  readonly port?: number
  readonly namespace?: string
  readonly constant_tags?: readonly string[]
}

/** Sends figures about each request to Datadog's agent, in its form of statsd. */
export const datadog = loggerPlugin({
  name: 'datadog',
  priority: 495,
  properties: {
    prefer_name: { type: 'boolean', default: true },
    include_path: { type: 'boolean', default: false },
    include_method: { type: 'boolean', default: false },
    constant_tags: { ...TAGS, default: [] },
  },
  metadataProperties: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'integer', minimum: 0, default: 8125 },
    namespace: { type: 'string', default: 'apisix' },
    constant_tags: { ...TAGS, default: ['source:apisix'] },
  },
  shape: (_entry, context, { conf }) => ({ tags: tagsOf(context, conf), figures: figuresOf(context) }),
  open(_conf, environment) {
    return async (entries) => {
      const metadata: Metadata = environment.metadata()
      const { host = '127.0.0.1', port = 8125, namespace = 'apisix' } = metadata
      const { constant_tags: constant = ['source:apisix'] } = metadata
      const prefix = namespace === '' ? '' : `${namespace}.`
      for (const { tags, figures } of entries) {
        const all = [...constant, ...(tags as readonly string[])].join(',')
        const lines = (figures as readonly string[]).map((figure) => `${prefix}${figure}|#${all}`)
        const together = lines.join('\n')
        const datagrams = Buffer.byteLength(together) <= DATAGRAM_BYTES ? [together] : lines
        for (const datagram of datagrams) await sendUdp({ host, port }, datagram)
      }
    }
  },
})

function figuresOf({ exchange, upstreamMs, upstreamAddr }: RequestContext): string[] {
  const total = performance.now() - exchange.startedAt
  return [
    'request.counter:1|c',
    `request.latency:${total}|h`,
    ...(upstreamAddr === '' ? [] : [`upstream.latency:${upstreamMs}|h`]),
    `apisix.latency:${Math.max(0, total - upstreamMs)}|h`,
    `ingress.size:${exchange.bytesReceived}|ms`,
    `egress.size:${exchange.writer.bytes}|ms`,
  ]
}

function tagsOf(context: RequestContext, conf: JsonObject): string[] {
  const { route, service, consumer, exchange } = context
  const named = (object: { readonly name?: string | undefined } | undefined) =>
    conf.prefer_name === true ? object?.name : undefined
  const { status } = exchange
  const tags: readonly (readonly [string, unknown])[] = [
    ['route_name', named(route?.route) ?? route?.id],
    ['path', conf.include_path === true ? route?.match.uris[0] : undefined],
    ['method', conf.include_method === true ? context.method : undefined],
    ['service_name', named(service) ?? service?.id],
    ['consumer', consumer?.username],
    ['balancer_ip', context.variables('balancer_ip')],
    ['response_status', status],
    ['response_status_class', `${Math.floor(status / 100)}xx`],
    ['scheme', context.scheme],
  ]
  return [
    ...(conf.constant_tags as readonly string[]),
    ...tags.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [`${name}:${value}`])),
  ]
}
