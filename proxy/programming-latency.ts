import type { ChangeSet } from '#watch'
import { familyLabel, type ProxyMetrics } from './metrics.ts'

/** Written by the EndpointSlice controller: when the Pod or Service change happened that led to this slice. */
const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time'

/**
 * Observes kubeproxy_network_programming_duration_seconds for a change set that has just been programmed. Stamps from before
 * our start say nothing about us and are ignored.
 */
export function observeProgramming(
  changes: ChangeSet,
  { since, metrics }: { since: number; metrics: ProxyMetrics },
): void {
  const now = Date.now()
  for (const { before, after } of changes.objects('EndpointSlice').values()) {
    const stamp = after?.metadata.annotations[TRIGGER_TIME]
    if (after === undefined || stamp === undefined || stamp === before?.metadata.annotations[TRIGGER_TIME])
      continue
    const at = Date.parse(stamp)
    if (Number.isNaN(at) || at < since || after.addressType === 'FQDN') continue
    const label = { ip_family: familyLabel(after.addressType === 'IPv6' ? 6 : 4) }
    metrics.programming.observe(label, Math.max(0, now - at) / 1000)
  }
}
