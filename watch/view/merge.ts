import type { EndpointPort, EndpointSlice, SliceEndpoint } from '../objects/endpoint-slice.ts'
import type { Protocol } from '../objects/meta.ts'
import { type Endpoint, noEndpoints, type PortEndpoints, type ServiceEndpoints } from './endpoint.ts'

interface PortCollection {
  readonly name: string
  readonly protocol: Protocol
  appProtocol: string | undefined
  readonly endpoints: Map<string, Endpoint>
}

/**
 * Merges the slices of one Service as kube-proxy's endpointslicecache.go does: only the first address
 * of an endpoint counts, ports join by name and protocol, unset or 0 ports are skipped, an address and
 * port found in several slices is one endpoint. Where such duplicates disagree the one on `nodeName`
 * wins, then the more usable one, then the first by slice name; so the result never depends on the
 * order in which slices arrived.
 */
export function mergeSlices(slices: Iterable<EndpointSlice>, nodeName?: string): ServiceEndpoints {
  const ordered = [...slices].filter((slice) => slice.addressType !== 'FQDN').sort(byName)
  if (ordered.length === 0) return noEndpoints
  const addresses = new Map<string, Endpoint>()
  const ports = new Map<string, PortCollection>()
  for (const slice of ordered) {
    const family = slice.addressType === 'IPv6' ? 6 : 4
    const open = slice.ports.filter((port) => port.port !== undefined && port.port !== 0)
    const collections = open.map((port) => collectionOf(ports, port))
    for (const listed of slice.endpoints) {
      const address = listed.addresses[0]
      if (address === undefined) continue
      offer(addresses, address, endpointOf(listed, address, family, 0), nodeName)
      for (let index = 0; index < open.length; index++) {
        const port = open[index]?.port ?? 0
        const collection = collections[index]
        if (collection === undefined) continue
        offer(collection.endpoints, `${address} ${port}`, endpointOf(listed, address, family, port), nodeName)
      }
    }
  }
  return { addresses: sorted(addresses), ports: [...ports.values()].map(finish).sort(byPort) }
}

function collectionOf(ports: Map<string, PortCollection>, port: EndpointPort): PortCollection {
  const id = `${port.protocol} ${port.name}`
  let collection = ports.get(id)
  if (collection === undefined) {
    collection = { name: port.name, protocol: port.protocol, appProtocol: undefined, endpoints: new Map() }
    ports.set(id, collection)
  }
  collection.appProtocol ??= port.appProtocol
  return collection
}

function endpointOf(listed: SliceEndpoint, address: string, family: 4 | 6, port: number): Endpoint {
  return {
    address,
    family,
    port,
    ready: listed.conditions.ready,
    serving: listed.conditions.serving,
    terminating: listed.conditions.terminating,
    nodeName: listed.nodeName,
    zone: listed.zone,
    hostname: listed.hostname,
    podName: listed.targetRef?.kind === 'Pod' ? listed.targetRef.name : undefined,
    zoneHints: listed.hints.forZones,
    nodeHints: listed.hints.forNodes,
  }
}

function offer(
  found: Map<string, Endpoint>,
  id: string,
  endpoint: Endpoint,
  nodeName: string | undefined,
): void {
  const other = found.get(id)
  if (other === undefined || rank(endpoint, nodeName) > rank(other, nodeName)) found.set(id, endpoint)
}

/** Orders duplicates; the first seen stays on equal rank. */
function rank(endpoint: Endpoint, nodeName: string | undefined): number {
  return (
    (nodeName !== undefined && endpoint.nodeName === nodeName ? 16 : 0) +
    (endpoint.ready ? 8 : 0) +
    (endpoint.serving ? 4 : 0) +
    (endpoint.terminating ? 0 : 2) +
    (endpoint.nodeName === undefined ? 0 : 1)
  )
}

function finish(collection: PortCollection): PortEndpoints {
  return { ...collection, endpoints: sorted(collection.endpoints) }
}

function sorted(found: ReadonlyMap<string, Endpoint>): Endpoint[] {
  return [...found.values()].sort((a, b) => compare(a.address, b.address) || a.port - b.port)
}

function byName(a: EndpointSlice, b: EndpointSlice): number {
  return compare(a.metadata.name, b.metadata.name)
}

function byPort(a: PortEndpoints, b: PortEndpoints): number {
  return compare(a.name, b.name) || compare(a.protocol, b.protocol)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
