import type { Route, RouteSocket, RouteSpec } from '#netlink'
import type { Peer } from './peers.ts'
import { contains } from './prefix.ts'

export const TABLE_MAIN = 254
/** Routes the kernel makes for addresses: never ours. */
const RTPROT_KERNEL = 2
/** What ip(8) and flannel write; also marks routes as ours when stale ones are looked for. */
export const RTPROT_BOOT = 3
/** IPv6 routes have this metric when none is given (IP6_RT_PRIO_USER). */
const DEFAULT_METRIC = { 4: 0, 6: 1024 } as const

export interface PathSpec {
  family: 4 | 6
  /** The cluster's pod network: only routes inside are looked at. */
  network: string
  peers: readonly Peer[]
  /** Index of the external interface. */
  external: number
  /** Index of the tunnel device; undefined: routes only (host-gw). */
  device?: number | undefined
  /** Nodes on the same link are reached by a plain route. */
  direct: boolean
}

export interface Way {
  readonly gateway: string
  readonly index: number
  readonly onlink: boolean
  /** Whose way it is; '' if not known. */
  readonly node: string
}

/** The entries of one family by their keys: gateway, MAC, pod network. */
export interface PathTables {
  readonly neighbours: Map<string, { readonly mac: string; readonly node: string }>
  readonly forwarding: Map<string, { readonly destination: string | undefined; readonly node: string }>
  readonly routes: Map<string, Way>
}

/** What the peers need. */
export function wantedPaths(spec: PathSpec, direct: ReadonlySet<string>): PathTables {
  const tables: PathTables = { neighbours: new Map(), forwarding: new Map(), routes: new Map() }
  const { device } = spec
  for (const { node, subnet, gateway, publicIp, vtepMac } of spec.peers) {
    if (direct.has(node)) {
      tables.routes.set(subnet, { gateway: publicIp, index: spec.external, onlink: false, node })
    } else if (device !== undefined) {
      tables.neighbours.set(gateway, { mac: vtepMac, node })
      tables.forwarding.set(vtepMac, { destination: publicIp, node })
      tables.routes.set(subnet, { gateway, index: device, onlink: true, node })
    }
  }
  return tables
}

/** What the kernel has: entries of ours as tables, and routes that have to go, exactly described. */
export function dumpPaths(
  socket: RouteSocket,
  spec: PathSpec,
  wanted: PathTables,
): { tables: PathTables; stale: RouteSpec[] } {
  const tables: PathTables = { neighbours: new Map(), forwarding: new Map(), routes: new Map() }
  const { device, family } = spec
  if (device !== undefined) {
    for (const { address, mac, state } of socket.neighbours({ index: device, family })) {
      if (state === 'permanent' && mac !== undefined) tables.neighbours.set(address, { mac, node: '' })
    }
    for (const { mac, destination, state } of socket.fdb(device)) {
      // Learned entries are the kernel's own, but one in the place of ours counts.
      if (state === 'permanent' || wanted.forwarding.has(mac))
        tables.forwarding.set(mac, { destination, node: '' })
    }
  }
  const stale: RouteSpec[] = []
  for (const route of socket.routes({ family, table: TABLE_MAIN })) {
    if (!isOurs(route, spec)) continue
    const want = wanted.routes.get(route.destination)
    if (want !== undefined && same(route, want, family)) tables.routes.set(route.destination, want)
    // One of the same metric is replaced; one of another would stay beside.
    else if (want === undefined || (route.metric ?? 0) !== DEFAULT_METRIC[family]) stale.push(exactly(route))
  }
  return { tables, stale }
}

/** Routes into the pod network by way of a gateway on our devices, as flannel or we make them. */
export function isOurs(
  route: Route,
  spec: { network: string; external: number; device?: number | undefined },
): boolean {
  return (
    (route.index === spec.external || route.index === spec.device) &&
    route.type === 'unicast' &&
    route.gateway !== undefined &&
    route.protocol !== RTPROT_KERNEL &&
    (route.index === spec.device || route.protocol === RTPROT_BOOT) &&
    contains(spec.network, route.destination) &&
    route.destination !== spec.network
  )
}

function same(route: Route, want: Way, family: 4 | 6): boolean {
  return (
    route.gateway === want.gateway &&
    route.index === want.index &&
    route.onlink === want.onlink &&
    (route.metric ?? 0) === DEFAULT_METRIC[family]
  )
}

/** Describes a route so that only it is deleted. */
export function exactly(route: Route): RouteSpec {
  const { destination, gateway, index, table, protocol, metric } = route
  return { destination, gateway, index, table, protocol, metric }
}
