import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Family } from './model/bytes.ts'

/** 1 ms .. 16 s, as kube-proxy has them, plus what it cannot reach. */
const SYNC_BUCKETS = [
  0.0001,
  0.00025,
  0.0005,
  ...Array.from({ length: 15 }, (_, index) => 0.001 * 2 ** index),
]
/** 0.25 s .. 300 s of kube-proxy, plus the range below. */
const PROGRAMMING_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

export function familyLabel(family: Family): 'IPv4' | 'IPv6' {
  return family === 4 ? 'IPv4' : 'IPv6'
}

/** kube-proxy's metrics, by its names (pkg/proxy/metrics), and plexus_proxy_* for what it has no name for. */
export class ProxyMetrics {
  readonly syncDuration
  readonly fullSyncDuration
  readonly partialSyncDuration
  readonly lastSync
  readonly lastQueued
  readonly programming
  readonly endpointChanges
  readonly serviceChanges
  readonly endpointPending
  readonly servicePending
  readonly syncFailures
  readonly cleanupFailures
  readonly eventToKernel
  readonly conntrackDuration
  readonly conntrackDeleted
  readonly quarantined
  readonly incomplete
  readonly elements
  readonly repairs
  readonly noLocalEndpoints
  readonly healthz
  readonly livez

  constructor(registry: Registry) {
    const registers = [registry]
    const labelNames = ['ip_family'] as const
    const duration = (name: string, help: string) =>
      new Histogram({ name: `kubeproxy_${name}`, help, labelNames, buckets: SYNC_BUCKETS, registers })
    const gauge = (name: string, help: string) =>
      new Gauge({ name: `kubeproxy_${name}`, help, labelNames, registers })
    const counter = (name: string, help: string) =>
      new Counter({ name: `kubeproxy_${name}`, help, labelNames, registers })
    this.syncDuration = duration(
      'sync_proxy_rules_duration_seconds',
      'Time to program the kernel, any kind of sync',
    )
    this.fullSyncDuration = duration(
      'sync_full_proxy_rules_duration_seconds',
      'Time of syncs that compared everything',
    )
    this.partialSyncDuration = duration(
      'sync_partial_proxy_rules_duration_seconds',
      'Time of syncs of what changed',
    )
    this.lastSync = gauge('sync_proxy_rules_last_timestamp_seconds', 'When the rules were last programmed')
    this.lastQueued = gauge(
      'sync_proxy_rules_last_queued_timestamp_seconds',
      'When a sync was last asked for',
    )
    this.programming = new Histogram({
      name: 'kubeproxy_network_programming_duration_seconds',
      help: 'From the change of an endpoint, as EndpointSlices are stamped, to the kernel',
      labelNames,
      buckets: PROGRAMMING_BUCKETS,
      registers,
    })
    this.endpointChanges = new Counter({
      name: 'kubeproxy_sync_proxy_rules_endpoint_changes_total',
      help: 'EndpointSlices changed',
      registers,
    })
    this.serviceChanges = new Counter({
      name: 'kubeproxy_sync_proxy_rules_service_changes_total',
      help: 'Services changed, themselves or their endpoints',
      registers,
    })
    this.endpointPending = new Gauge({
      name: 'kubeproxy_sync_proxy_rules_endpoint_changes_pending',
      help: 'EndpointSlice changes that are not programmed yet',
      registers,
    })
    this.servicePending = new Gauge({
      name: 'kubeproxy_sync_proxy_rules_service_changes_pending',
      help: 'Service changes that are not programmed yet',
      registers,
    })
    this.cleanupFailures = counter(
      'sync_proxy_rules_nftables_cleanup_failures_total',
      'Commits refused that delete chains out of use',
    )
    this.syncFailures = counter('sync_proxy_rules_nftables_sync_failures_total', 'Commits the kernel refused')
    this.eventToKernel = new Histogram({
      name: 'plexus_proxy_event_to_kernel_seconds',
      help: 'From the oldest event of a change set, as the watch cache got it, to the commit',
      buckets: SYNC_BUCKETS,
      registers,
    })
    this.conntrackDuration = duration(
      'conntrack_reconciler_sync_duration_seconds',
      'Time to clean UDP conntrack entries',
    )
    this.conntrackDeleted = counter(
      'conntrack_reconciler_deleted_entries_total',
      'UDP conntrack entries deleted',
    )
    this.quarantined = new Gauge({
      name: 'plexus_proxy_quarantined_services',
      help: 'Services whose latest version is not programmed: no rules can be made of it, or the kernel refused them',
      labelNames,
      registers,
    })
    this.incomplete = new Gauge({
      name: 'plexus_proxy_incomplete_services',
      help: 'Services that are programmed without a part that makes no sense (an address, a range)',
      labelNames,
      registers,
    })
    this.elements = new Counter({
      name: 'plexus_proxy_element_changes_total',
      help: 'Set elements added, changed or removed',
      labelNames,
      registers,
    })
    this.noLocalEndpoints = new Gauge({
      name: 'kubeproxy_sync_proxy_rules_no_local_endpoints_total',
      help: 'Service ports with traffic policy Local and no endpoint on this node',
      labelNames: ['ip_family', 'traffic_policy'] as const,
      registers,
    })
    const requests = (name: 'healthz' | 'livez') =>
      new Counter({
        name: `kubeproxy_proxy_${name}_total`,
        help: `Answers of /${name} by status`,
        labelNames: ['code'] as const,
        registers,
      })
    this.healthz = requests('healthz')
    this.livez = requests('livez')
    this.repairs = new Counter({
      name: 'plexus_proxy_repairs_total',
      help: 'Syncs made because someone else had changed our table',
      labelNames,
      registers,
    })
  }
}
