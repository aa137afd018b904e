import type { Plugin } from '../plugin.ts'
import { trafficMetrics } from './metrics.ts'

/** Counts the requests of a route under apisix_* names. */
export const prometheus: Plugin = {
  name: 'prometheus',
  priority: 500,
  schema: { type: 'object', properties: { prefer_name: { type: 'boolean', default: false } } },
  compile(conf, environment) {
    const metrics = trafficMetrics(environment.metrics)
    const preferName = conf.prefer_name === true
    return {
      log(context) {
        const { exchange, route, service } = context
        const named = (id: string | number | undefined, name: string | undefined) =>
          String((preferName ? (name ?? id) : id) ?? '')
        const labels = {
          route: named(route?.id, route?.route.name),
          service: named(service?.id, service?.name) || context.host,
          consumer: context.consumer?.username ?? '',
          node: context.upstreamAddr.slice(0, Math.max(0, context.upstreamAddr.lastIndexOf(':'))),
        }
        metrics.status.inc({
          ...labels,
          code: String(exchange.status),
          matched_uri: route?.match.uris[0] ?? '',
          matched_host: route?.match.hosts[0] ?? '',
        })
        const total = performance.now() - exchange.startedAt
        metrics.latency.observe({ ...labels, type: 'request' }, total)
        if (context.upstreamStartedAt > 0)
          metrics.latency.observe({ ...labels, type: 'upstream' }, context.upstreamMs)
        metrics.latency.observe({ ...labels, type: 'apisix' }, Math.max(0, total - context.upstreamMs))
        metrics.bandwidth.inc({ ...labels, type: 'egress' }, exchange.writer.bytes)
        metrics.bandwidth.inc({ ...labels, type: 'ingress' }, exchange.bytesReceived)
      },
    }
  },
}
