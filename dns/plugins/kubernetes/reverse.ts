import type { Query } from '../../core/query.ts'
import { Type } from '../../wire/index.ts'
import type { ClusterView } from './cluster.ts'
import type { KubernetesOptions } from './options.ts'
import { type Found, noData, serviceName, targetRecord } from './records.ts'

/**
 * The names of an address: cluster addresses before endpoints; one PTR for each Service that has the address among its
 * endpoints. Undefined where nothing has the address.
 */
export function reverseRecords(
  query: Query,
  address: string,
  from: { cluster: ClusterView; options: KubernetesOptions },
): Found | undefined {
  const { primaryZone, ttl } = from.options
  let names = from.cluster.servicesAt(address).map((entry) => serviceName(entry, '', primaryZone))
  if (names.length === 0) {
    names = from.cluster.servicesWithEndpoint(address).flatMap((entry) => {
      const own = entry.endpoints.filter((target) => target.address === address)
      return [...new Set(own.map((target) => target.host))].map((host) =>
        serviceName(entry, host, primaryZone),
      )
    })
  }
  if (names.length === 0) return undefined
  if (query.type !== Type.PTR) return noData
  return {
    answer: names.map((name) => targetRecord(query.originalName, Type.PTR, name, ttl)),
    additional: [],
  }
}
