import { type ChangeSet, type Store, serviceNameLabel } from '#watch'
import { exponential, type Histogram, type MetricFamilies } from '../../metrics/metrics.ts'

const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

export type ProgrammingMetric = Histogram

/** Time from the change of a pod or Service, as the endpoint-slice controller noted it, until DNS knows of it. */
export function programmingMetric(families: MetricFamilies): ProgrammingMetric {
  return families.histogram(
    'coredns_kubernetes_dns_programming_duration_seconds',
    'Time from a change of a Service or its pods until DNS answers accordingly, in seconds.',
    ['service_kind'],
    exponential(0.001, 2, 20),
  )
}

/** Observes every EndpointSlice of a change set that carries its trigger time. */
export function observeProgramming(changes: ChangeSet, store: Store, metric: ProgrammingMetric): void {
  for (const { after } of changes.objects('EndpointSlice').values()) {
    const trigger = after?.metadata.annotations[triggerAnnotation]
    const owner = after?.metadata.labels[serviceNameLabel]
    if (after === undefined || trigger === undefined || owner === undefined) continue
    const service = store.get('Service', `${after.metadata.namespace}/${owner}`)
    const seconds = (Date.now() - Date.parse(trigger)) / 1000
    if (service === undefined || !(seconds >= 0)) continue
    const headless = service.spec.clusterIP === 'None'
    metric.cell(headless ? 'headless_with_selector' : 'cluster_ip').observe(seconds)
  }
}
