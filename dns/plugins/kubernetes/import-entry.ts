import { type EndpointSlice, type Key, mergeSlices, type Store, sourceClusterLabel } from '#watch'
import { clusterTargets, endpointTargets, type ServiceEntry, type Target } from './entry.ts'
import type { KubernetesOptions } from './options.ts'

/**
 * Builds the entry of a ServiceImport (KEP-1645), or undefined where DNS must not show it. Its endpoints are in the
 * EndpointSlices labelled with its name; two clusters may use the same host names, so their names go by cluster.
 */
export function buildImport(store: Store, key: Key, options: KubernetesOptions): ServiceEntry | undefined {
  const imported = store.get('ServiceImport', key)
  if (imported === undefined) return undefined
  if (options.labels !== undefined && !options.labels(imported.metadata.labels)) return undefined
  const { namespace, name } = imported.metadata
  const { type, ips, ports } = imported.spec
  const headless = type === 'Headless'
  const head = { key, name: name.toLowerCase(), namespace, headless, externalName: '' }
  const endpoints = options.noEndpoints ? [] : importedEndpoints(store, key, options)
  if (headless) return { ...head, targets: endpoints, endpoints }
  if (options.ignoreEmptyService && endpoints.length === 0) return undefined
  return { ...head, targets: clusterTargets(ips, ports), endpoints }
}

function importedEndpoints(store: Store, key: Key, options: KubernetesOptions): Target[] {
  const clusters = Map.groupBy(store.lookup('EndpointSlice', 'import', key), sourceCluster)
  return [...clusters.keys()].sort().flatMap((cluster) => {
    const targets = endpointTargets(mergeSlices(clusters.get(cluster) ?? []), options)
    return cluster === ''
      ? targets
      : targets.map((target) => ({ ...target, host: `${target.host}.${cluster}` }))
  })
}

function sourceCluster({ metadata }: EndpointSlice): string {
  return metadata.labels[sourceClusterLabel]?.toLowerCase() ?? ''
}
