import { hostname } from 'node:os'
import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject } from '../../objects/index.ts'
import { loggerPlugin, post } from '../logger/logger-plugin.ts'

/** Sends log entries to the OAP server of Apache SkyWalking, with the trace they belong to. */
export const skywalkingLogger = loggerPlugin({
  name: 'skywalking-logger',
  priority: 408,
  properties: {
    endpoint_addr: { type: 'string', pattern: '^https?://' },
    service_name: { type: 'string', default: 'APISIX' },
    service_instance_name: { type: 'string', default: 'APISIX Instance Name' },
    timeout: { type: 'integer', minimum: 1, default: 3 },
    ssl_verify: { type: 'boolean', default: true },
  },
  required: ['endpoint_addr'],
  shape: (entry, context, { conf }) => ({
    ...traceContext(context),
    body: { json: { json: JSON.stringify(entry) } },
    service: conf.service_name,
    serviceInstance: conf.service_instance_name === '$hostname' ? hostname() : conf.service_instance_name,
    endpoint: context.path,
  }),
  open(conf) {
    const url = `${String(conf.endpoint_addr).replace(/\/+$/, '')}/v3/logs`
    return (entries) =>
      post({
        url,
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(entries),
        timeout: Number(conf.timeout),
        verify: conf.ssl_verify === true,
      })
  },
})

/** SkyWalking's cross-process propagation headers v3: `sample-traceId-segmentId-spanId-...`, eight parts. */
function traceContext({ exchange }: RequestContext): JsonObject {
  const parts = exchange.headers.get('sw8')?.split('-') ?? []
  const [, trace = '', segment = '', span = ''] = parts
  if (parts.length !== 8) return {}
  const text = (part: string) => Buffer.from(part, 'base64').toString('utf8')
  return { traceContext: { traceId: text(trace), traceSegmentId: text(segment), spanId: Number(span) } }
}
