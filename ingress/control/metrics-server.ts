import fastify, { type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import type { ListenAddress } from '../config/gateway-config.ts'
import { isObject } from '../objects/index.ts'

const DEFAULT = { host: '127.0.0.1', port: 9091 }
const URI = '/apisix/prometheus/metrics'

/** What `plugin_attr.prometheus` asks for: a server of its own for the metrics; undefined unless it names an address. */
export function metricsAddress(
  attributes: Readonly<Record<string, unknown>>,
): { readonly listen: ListenAddress; readonly uri: string } | undefined {
  const { prometheus } = attributes
  if (!isObject(prometheus) || prometheus.enable_export_server === false) return undefined
  const { export_addr: address, export_uri: uri } = prometheus
  if (!isObject(address) && prometheus.enable_export_server !== true) return undefined
  const { ip = DEFAULT.host, port = DEFAULT.port } = isObject(address) ? address : {}
  return { listen: { host: String(ip), port: Number(port) }, uri: typeof uri === 'string' ? uri : URI }
}

/** Serves the metrics, as APISIX does on port 9091. */
export function metricsApi(uri: string, metrics: Pick<Registry, 'metrics' | 'contentType'>): FastifyInstance {
  const app = fastify()
  app.get(uri, async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()))
  return app
}
