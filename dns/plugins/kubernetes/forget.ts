import type { Key } from '#watch'
import { isReverseName, reverseName } from '../../wire/index.ts'
import type { ClusterView } from './cluster.ts'

/** Names that may have gone to the next plugin before a change, and be cached there as missing. */
export function namesToForget(
  changed: { readonly services: Iterable<Key>; readonly addresses: Iterable<string> },
  cluster: ClusterView,
  zones: readonly string[],
): Set<string> {
  const names = new Set<string>()
  for (const address of changed.addresses) {
    const reverse = reverseName(address)
    if (reverse !== undefined) names.add(reverse)
  }
  const forward = zones.filter((zone) => !isReverseName(zone))
  for (const key of changed.services) {
    const [namespace = '', service = ''] = key.split('/')
    for (const zone of forward) {
      const endpoints = cluster.find(zone, namespace, service)?.endpoints ?? []
      const hosts = new Set(['', ...endpoints.map((target) => `${target.host}.`)])
      const suffix = zone === '.' ? '' : zone
      for (const host of hosts) names.add(`${host}${service}.${namespace}.svc.${suffix}`)
    }
  }
  return names
}
