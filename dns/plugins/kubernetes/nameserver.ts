import type { Store } from '#watch'
import { isReverseName } from '../../wire/index.ts'
import type { ClusterView } from './cluster.ts'
import { clusterAddresses } from './entry.ts'
import { serviceName } from './records.ts'

/**
 * The name servers of the zone: Services that have an address of ours with a port of ours among their endpoints
 * (kube-dns), or `ns.dns.<zone>` with the addresses we listen on where there is none.
 */
export function nameServers(
  cluster: ClusterView,
  store: Store,
  at: { own: readonly string[]; ports: readonly number[]; zone: string },
): { name: string; addresses: readonly string[] }[] {
  const found = new Map<string, Set<string>>()
  for (const own of at.own) {
    for (const entry of cluster.servicesWithEndpoint(own)) {
      if (!entry.endpoints.some((target) => target.address === own && at.ports.includes(target.port)))
        continue
      const service = store.get('Service', entry.key)
      const headless = service?.spec.clusterIP === 'None'
      const host = headless ? (entry.endpoints.find((target) => target.address === own)?.host ?? '') : ''
      const name = serviceName(entry, host, at.zone)
      const addresses = found.get(name) ?? new Set<string>()
      for (const address of headless || service === undefined ? [own] : clusterAddresses(service))
        addresses.add(address)
      found.set(name, addresses)
    }
  }
  if (found.size > 0) return [...found].map(([name, addresses]) => ({ name, addresses: [...addresses] }))
  const outside = at.own.filter(
    (address) => address !== '::1' && !address.startsWith('127.') && !address.includes('%'),
  )
  const addresses = outside.length > 0 ? outside : at.own
  const below = at.zone === '.' ? '' : at.zone
  return [{ name: isReverseName(at.zone) ? at.zone : `ns.dns.${below}`, addresses }]
}
