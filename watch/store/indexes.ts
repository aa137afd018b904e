import { serviceNameLabel } from '../objects/endpoint-slice.ts'
import { type Kind, type KindMap, kindFacts } from '../objects/kinds.ts'
import { keyFrom } from '../objects/meta.ts'
import { importNameLabel } from '../objects/service-import.ts'

export type Indexer<T> = (object: T) => readonly string[]
const none: readonly string[] = []

/**
 * The named indexes of the store besides `namespace`, which every namespaced kind has. Values are what
 * `Store.lookup` is asked with.
 */
const indexers = {
  Node: {
    address: (node: KindMap['Node']) => node.status.addresses.map(({ address }) => address),
  },
  Pod: {
    ip: (pod: KindMap['Pod']) => pod.status.podIPs,
    node: (pod: KindMap['Pod']) => [pod.spec.nodeName],
  },
  Service: {
    clusterIP: (service: KindMap['Service']) => service.spec.clusterIPs.filter((ip) => ip !== 'None'),
  },
  EndpointSlice: {
    /** key of the Service named by the label kubernetes.io/service-name */
    service: (slice: KindMap['EndpointSlice']) => ownerOf(slice, serviceNameLabel),
    /** key of the ServiceImport named by the label multicluster.kubernetes.io/service-name */
    import: (slice: KindMap['EndpointSlice']) => ownerOf(slice, importNameLabel),
    /** addresses that its endpoints are reached by: of each the first */
    address: (slice: KindMap['EndpointSlice']) =>
      slice.addressType === 'FQDN' ? none : slice.endpoints.flatMap(({ addresses }) => addresses.slice(0, 1)),
  },
} as const

/** The object of the slice's namespace that a label names. */
function ownerOf(slice: KindMap['EndpointSlice'], label: string): readonly string[] {
  const owner = slice.metadata.labels[label]
  return owner === undefined || owner === '' ? none : [keyFrom(slice.metadata.namespace, owner)]
}

type OwnIndex<K extends Kind> = K extends keyof typeof indexers ? keyof (typeof indexers)[K] : never
export type IndexName<K extends Kind> = OwnIndex<K> | 'namespace'

/** The indexers of a kind, by name. */
export function indexersOf<K extends Kind>(kind: K): ReadonlyMap<IndexName<K>, Indexer<KindMap[K]>> {
  const own: Partial<Record<Kind, object>> = indexers
  const found = new Map(Object.entries(own[kind] ?? {})) as Map<IndexName<K>, Indexer<KindMap[K]>>
  if (kindFacts[kind].namespaced) found.set('namespace', (object) => [object.metadata.namespace])
  return found
}
