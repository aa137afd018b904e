import type { Endpoint, Node } from '#watch'

/** What about this node decides which endpoints serve its traffic. */
export interface Locality {
  readonly nodeName: string
  /** label topology.kubernetes.io/zone; undefined switches zone hints off */
  readonly zone: string | undefined
}

export type TopologyMode = 'PreferSameNode' | 'PreferSameZone' | 'none'

/** The endpoints which connections may be sent to, per traffic policy. */
export interface Selection {
  /** for traffic policy Cluster, and for the short circuits of Local */
  readonly cluster: readonly Endpoint[]
  /** for traffic policy Local */
  readonly local: readonly Endpoint[]
  readonly topology: TopologyMode
}

export function localityOf(nodeName: string, node: Node | undefined): Locality {
  return { nodeName, zone: node?.metadata.labels['topology.kubernetes.io/zone'] || undefined }
}

/**
 * Which endpoints of one service port are used (pkg/proxy/topology.go CategorizeEndpoints): ready ones, narrowed by
 * topology hints for policy Cluster; if a policy is left with none, those still serving while they terminate (KEP-1669,
 * regardless of hints). `cluster` is empty only if the service has no usable endpoint anywhere.
 */
export function selectEndpoints(endpoints: readonly Endpoint[], here: Locality): Selection {
  const ready = endpoints.filter((endpoint) => endpoint.ready)
  const topology = topologyMode(ready, here)
  const terminating = endpoints.filter(
    (endpoint) => !endpoint.ready && endpoint.serving && endpoint.terminating,
  )
  const preferred =
    topology === 'none' ? ready : ready.filter((endpoint) => isHinted(endpoint, topology, here))
  const isLocal = (endpoint: Endpoint) => endpoint.nodeName === here.nodeName
  const localReady = ready.filter(isLocal)
  return {
    cluster: preferred.length > 0 ? preferred : terminating,
    local: localReady.length > 0 ? localReady : terminating.filter(isLocal),
    topology,
  }
}

/** One ready endpoint without a hint switches its level off (KEP-2433, KEP-3015). */
function topologyMode(ready: readonly Endpoint[], here: Locality): TopologyMode {
  if (allHinted(ready, 'nodeHints', here.nodeName)) return 'PreferSameNode'
  if (here.zone !== undefined && allHinted(ready, 'zoneHints', here.zone)) return 'PreferSameZone'
  return 'none'
}

function allHinted(ready: readonly Endpoint[], level: 'nodeHints' | 'zoneHints', here: string): boolean {
  return (
    ready.every((endpoint) => endpoint[level].length > 0) &&
    ready.some((endpoint) => endpoint[level].includes(here))
  )
}

function isHinted(endpoint: Endpoint, topology: TopologyMode, here: Locality): boolean {
  if (topology === 'PreferSameNode') return endpoint.nodeHints.includes(here.nodeName)
  return here.zone !== undefined && endpoint.zoneHints.includes(here.zone)
}
