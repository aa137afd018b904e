import { collectDefaultMetrics } from 'prom-client'
import {
  directiveError,
  expectArgs,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import { isListenAddress, respondText } from '../../http/endpoints.ts'
import { ServerMetrics } from './metrics.ts'
import { PrometheusPlugin } from './prometheus.ts'

const name = 'prometheus'

export const prometheus: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [address] = expectArgs(directive, name, { min: 0, max: 1 })
    const listen = address?.text ?? 'localhost:9153'
    if (address !== undefined && !isListenAddress(listen)) {
      throw directiveError(address, name, `'${listen}' is no address such as :9153 or 127.0.0.1:9153`)
    }
    readProperties(directive, name, { runtime_metrics: (line) => void expectArgs(line, name, { min: 0 }) })
    const { registry } = c.metrics
    if (registry.getSingleMetric('process_cpu_seconds_total') === undefined)
      collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 })
    c.http.serve(listen, '/metrics', (_request, response) => {
      registry.metrics().then(
        (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
        (error: unknown) => respondText(response, 500, String(error)),
      )
    })
    return new PrometheusPlugin(new ServerMetrics(c.metrics))
  },
}
