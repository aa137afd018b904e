import type { Store } from '#watch'
import type { Query } from '../../core/query.ts'
import { isReverseName, type ResourceRecord, Type } from '../../wire/index.ts'
import type { ClusterView } from './cluster.ts'
import { clusterAddresses } from './entry.ts'
import { addressRecord, type Found, noData, serviceName, targetRecord } from './records.ts'

export interface NameServer {
  readonly name: string
  readonly addresses: readonly string[]
}

/**
 * The name servers of the zone: Services that have an address of ours with a port of ours among their endpoints
 * (kube-dns), or `ns.dns.<zone>` with the addresses we listen on where there is none. A multicluster zone has no names
 * of Services: there it is `ns.dns.<zone>` in any case.
 */
export function nameServers(
  cluster: ClusterView,
  store: Store,
  at: { own: readonly string[]; ports: readonly number[]; zone: string; multicluster: boolean },
): NameServer[] {
  const found = new Map<string, Set<string>>()
  const plain = at.own.filter((address) => !address.includes('%'))
  for (const own of plain) {
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
  const below = at.zone === '.' ? '' : at.zone
  const ours = `ns.dns.${below}`
  if (found.size > 0 && at.multicluster)
    return [{ name: ours, addresses: [...new Set([...found.values()].flatMap((set) => [...set]))] }]
  if (found.size > 0) return [...found].map(([name, addresses]) => ({ name, addresses: [...addresses] }))
  const outside = plain.filter((address) => address !== '::1' && !address.startsWith('127.'))
  const addresses = outside.length > 0 ? outside : plain
  return [{ name: isReverseName(at.zone) ? at.zone : ours, addresses }]
}

/** What the zone's own name has: SOA, NS with addresses. */
export function apexRecords(
  query: Query,
  zone: { readonly servers: () => readonly NameServer[]; readonly soa: ResourceRecord; readonly ttl: number },
): Found {
  if (query.type === Type.SOA) return { answer: [zone.soa], additional: [] }
  if (query.type !== Type.NS) return noData
  const servers = zone.servers()
  return {
    answer: servers.map(({ name }) => targetRecord(query.originalName, Type.NS, name, zone.ttl)),
    additional: servers.flatMap(({ name, addresses }) =>
      addresses.map((address) => addressRecord(name, address, zone.ttl)),
    ),
  }
}

/** A and AAAA of `ns.dns.<zone>`. */
export function serverAddresses(query: Query, servers: readonly NameServer[], ttl: number): Found {
  if (query.type !== Type.A && query.type !== Type.AAAA) return noData
  const addresses = new Set(servers.flatMap((server) => server.addresses))
  const wanted = [...addresses].filter((address) => address.includes(':') === (query.type === Type.AAAA))
  return { answer: wanted.map((address) => addressRecord(query.originalName, address, ttl)), additional: [] }
}
