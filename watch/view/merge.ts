import type { EndpointPort, EndpointSlice, SliceEndpoint } from '../objects/endpoint-slice.ts'
import type { Protocol } from '../objects/meta.ts'
import {
  byAddress,
  type Endpoint,
  noEndpoints,
  type PortEndpoints,
  type ServiceEndpoints,
} from './endpoint.ts'

interface PortCollection {
  readonly name: string
  readonly protocol: Protocol
  appProtocol: string | undefined
  readonly endpoints: Endpoint[]
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
  const addresses: Endpoint[] = []
  const ports = new Map<string, PortCollection>()
  for (const slice of ordered) {
    const family = slice.addressType === 'IPv6' ? 6 : 4
    // Sorted here already, the lists of a single slice need no more of it.
    const listed = slice.endpoints.filter(({ addresses }) => addresses.length > 0).sort(byFirstAddress)
    for (const endpoint of listed) addresses.push(endpointOf(endpoint, family, 0))
    for (const port of slice.ports) {
      if (port.port === undefined || port.port === 0) continue
      const { endpoints } = collectionOf(ports, port)
      for (const endpoint of listed) endpoints.push(endpointOf(endpoint, family, port.port))
    }
  }
  const merged = [...ports.values()].map((collection) => ({
    ...collection,
    endpoints: distinct(collection.endpoints, nodeName),
  }))
  return { addresses: distinct(addresses, nodeName), ports: merged.sort(byPort) }
}

function collectionOf(ports: Map<string, PortCollection>, port: EndpointPort): PortCollection {
  const id = `${port.protocol} ${port.name}`
  let collection = ports.get(id)
  if (collection === undefined) {
    collection = { name: port.name, protocol: port.protocol, appProtocol: undefined, endpoints: [] }
    ports.set(id, collection)
  }
  collection.appProtocol ??= port.appProtocol
  return collection
}

function endpointOf(listed: SliceEndpoint, family: 4 | 6, port: number): Endpoint {
  return {
    address: listed.addresses[0] ?? '',
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

/** Sorted by address and port, in place; of several with the same one the best. */
function distinct(endpoints: Endpoint[], nodeName: string | undefined): Endpoint[] {
  if (!areSorted(endpoints)) endpoints.sort(byAddress)
  let kept = 0
  for (const endpoint of endpoints) {
    const last = kept === 0 ? undefined : endpoints[kept - 1]
    if (last === undefined || byAddress(last, endpoint) !== 0) endpoints[kept++] = endpoint
    else if (rank(endpoint, nodeName) > rank(last, nodeName)) endpoints[kept - 1] = endpoint
  }
  endpoints.length = kept
  return endpoints
}

function areSorted(endpoints: readonly Endpoint[]): boolean {
  let last: Endpoint | undefined
  for (const endpoint of endpoints) {
    if (last !== undefined && byAddress(last, endpoint) > 0) return false
    last = endpoint
  }
  return true
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

function byName(a: EndpointSlice, b: EndpointSlice): number {
  return compare(a.metadata.name, b.metadata.name)
}

function byFirstAddress(a: SliceEndpoint, b: SliceEndpoint): number {
  return compare(a.addresses[0] ?? '', b.addresses[0] ?? '')
}

function byPort(a: PortEndpoints, b: PortEndpoints): number {
  return compare(a.name, b.name) || compare(a.protocol, b.protocol)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
