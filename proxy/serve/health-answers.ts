import type { Node } from '#watch'
import type { ProxyMetrics } from '../metrics.ts'
import type { Answer } from './listen.ts'

const AUTOSCALER_TAINT = 'ToBeDeletedByClusterAutoscaler'

/** How one family is doing. */
export interface FamilyHealth {
  readonly label: 'IPv4' | 'IPv6'
  readonly healthy: boolean
  /** milliseconds since the epoch; 0: never */
  readonly lastUpdated: number
}

export interface HealthSource {
  families(): readonly FamilyHealth[]
  node(): Node | undefined
}

/** Load balancers shall send nothing more to a node that is about to go (KEP-3836). */
export function isEligible(node: Node | undefined): boolean {
  return (
    node === undefined ||
    (node.metadata.deletionTimestamp === undefined &&
      node.spec.taints.every(({ key }) => key !== AUTOSCALER_TAINT))
  )
}

/**
 * /healthz and /livez as kube-proxy answers them (pkg/proxy/healthcheck/proxy_health.go): 503 when a family's changes wait
 * for too long; /healthz also when the node is about to be removed.
 */
export function healthAnswers(
  source: HealthSource,
  metrics: ProxyMetrics,
): Record<'/healthz' | '/livez', Answer> {
  const answer =
    (counter: ProxyMetrics['healthz'], about: 'node' | 'proxy'): Answer =>
    (reply) => {
      const families = source.families()
      const eligible = isEligible(source.node())
      const proxyHealthy = families.every(({ healthy }) => healthy)
      const healthy = proxyHealthy && (about === 'proxy' || eligible)
      const now = Date.now()
      const updated = proxyHealthy ? now : Math.min(...families.map(({ lastUpdated }) => lastUpdated))
      const code = healthy ? 200 : 503
      counter.inc({ code: String(code) })
      reply.code(code).type('application/json').header('X-Content-Type-Options', 'nosniff')
      return {
        lastUpdated: new Date(updated).toISOString(),
        currentTime: new Date(now).toISOString(),
        ...(about === 'node' ? { nodeEligible: eligible } : {}),
        healthy,
        status: Object.fromEntries(
          families.map(({ label, healthy: ok, lastUpdated }) => [
            label,
            { lastUpdated: new Date(ok ? now : lastUpdated).toISOString(), healthy: ok },
          ]),
        ),
      }
    }
  return { '/healthz': answer(metrics.healthz, 'node'), '/livez': answer(metrics.livez, 'proxy') }
}
