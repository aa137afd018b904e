import { collectDefaultMetrics, Registry } from 'prom-client'
import type { KubeProxyConfiguration } from '../config/configuration.ts'
import { toDocument } from '../config/document.ts'
import type { Answer } from './listen.ts'

/** process_* and nodejs_*: one per process, whoever asks for them. */
let processMetrics: Registry | undefined

/** What kube-proxy serves on metricsBindAddress: /metrics, /proxyMode, /configz, and a /healthz that says the process lives. */
export function metricsAnswers(
  config: KubeProxyConfiguration,
  metrics: Registry,
): Readonly<Record<string, Answer>> {
  if (processMetrics === undefined) {
    processMetrics = new Registry()
    collectDefaultMetrics({ register: processMetrics, eventLoopMonitoringPrecision: 100 })
  }
  const registries = [processMetrics, metrics]
  return {
    '/metrics': (reply) => {
      reply.type(Registry.PROMETHEUS_CONTENT_TYPE)
      return Registry.merge(registries).metrics()
    },
    '/proxyMode': (reply) => {
      reply.type('text/plain; charset=utf-8').header('X-Content-Type-Options', 'nosniff')
      return 'nftables'
    },
    '/configz': () => ({ 'kubeproxy.config.k8s.io': toDocument(config) }),
    '/healthz': (reply) => {
      reply.type('text/plain; charset=utf-8')
      return 'ok'
    },
  }
}
