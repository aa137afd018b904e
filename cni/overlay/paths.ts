import type { Route, RouteSocket, RouteSpec } from '#netlink'
import { isNotFound } from '#netlink'
import type { Peer, PeerProblem } from './peers.ts'
import { contains } from './prefix.ts'

const TABLE_MAIN = 254
/** Routes the kernel makes for addresses: never ours. */
const RTPROT_KERNEL = 2
/** What ip(8) and flannel write; also marks routes as ours when stale ones are looked for. */
const RTPROT_BOOT = 3

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

export interface PathResult {
  readonly changes: string[]
  readonly problems: PeerProblem[]
  /** Peers reached by a plain route. */
  readonly direct: ReadonlySet<string>
}

/**
 * Makes neighbours, forwarding entries and routes what the peers need: dumps, then changes only what differs. For a
 * tunnelled peer these are flannel's three: gateway -> VTEP MAC, VTEP MAC -> public address, subnet via gateway onlink.
 * A peer that fails does not stop the others.
 */
export function reconcilePaths(socket: RouteSocket, spec: PathSpec): PathResult {
  const changes: string[] = []
  const problems: PeerProblem[] = []
  const direct = spec.direct ? directPeers(socket, spec, problems) : new Set<string>()
  const tunnelled = spec.device === undefined ? [] : spec.peers.filter((peer) => !direct.has(peer.node))
  if (spec.device !== undefined) {
    const context = { socket, device: spec.device, family: spec.family, changes, problems }
    reconcileNeighbours(context, tunnelled)
    reconcileForwarding(context, tunnelled)
  }
  const wanted = new Map<string, { peer: Peer; route: RouteSpec }>()
  for (const peer of spec.peers) {
    const route = routeOf(peer, spec, direct)
    if (route !== undefined) wanted.set(peer.subnet, { peer, route })
  }
  reconcileRoutes(socket, spec, { wanted, changes, problems })
  return { changes, problems, direct }
}

function routeOf(peer: Peer, spec: PathSpec, direct: ReadonlySet<string>): RouteSpec | undefined {
  const common = { destination: peer.subnet, scope: 'global', protocol: RTPROT_BOOT } as const
  if (direct.has(peer.node)) return { ...common, gateway: peer.publicIp, index: spec.external }
  if (spec.device === undefined) return undefined
  return { ...common, gateway: peer.gateway, index: spec.device, onlink: true }
}

/** The peers on the external interface's link; for host-gw the others are problems. */
function directPeers(socket: RouteSocket, spec: PathSpec, problems: PeerProblem[]): Set<string> {
  const direct = new Set<string>()
  for (const peer of spec.peers) {
    const way = socket.routeTo(peer.publicIp)
    if (way !== undefined && way.gateway === undefined && way.index === spec.external) direct.add(peer.node)
    else if (spec.device === undefined) {
      problems.push({
        node: peer.node,
        problem: `${peer.publicIp} is not on the same link: host-gw cannot reach it`,
      })
    }
  }
  return direct
}

interface DeviceContext {
  readonly socket: RouteSocket
  readonly device: number
  readonly family: 4 | 6
  readonly changes: string[]
  readonly problems: PeerProblem[]
}

/** Runs a change for one peer; a refusal is that peer's problem only. */
function attempt(
  context: Pick<DeviceContext, 'changes' | 'problems'>,
  peer: Peer,
  what: string,
  body: () => void,
): void {
  try {
    body()
    context.changes.push(`${what} (Node ${peer.node})`)
  } catch (error) {
    context.problems.push({
      node: peer.node,
      problem: `${what}: ${error instanceof Error ? error.message : error}`,
    })
  }
}

/** Removes something stale; that it is gone already is fine. */
function removeStale(changes: string[], what: string, body: () => void): void {
  try {
    body()
    changes.push(what)
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

function reconcileNeighbours(context: DeviceContext, peers: readonly Peer[]): void {
  const { socket, device, family } = context
  const wanted = new Map(peers.map((peer) => [peer.gateway, peer]))
  const good = new Set<string>()
  for (const entry of socket.neighbours({ index: device, family })) {
    const peer = wanted.get(entry.address)
    if (peer !== undefined && entry.state === 'permanent' && entry.mac === peer.vtepMac)
      good.add(entry.address)
    else if (peer === undefined && entry.state === 'permanent') {
      removeStale(context.changes, `remove neighbour ${entry.address}`, () =>
        socket.deleteNeighbour({ index: device, address: entry.address }),
      )
    }
  }
  for (const peer of peers) {
    if (good.has(peer.gateway)) continue
    attempt(context, peer, `set neighbour ${peer.gateway} to ${peer.vtepMac}`, () =>
      socket.replaceNeighbour({ index: device, address: peer.gateway, mac: peer.vtepMac }),
    )
  }
}

function reconcileForwarding(context: DeviceContext, peers: readonly Peer[]): void {
  const { socket, device } = context
  const wanted = new Map(peers.map((peer) => [peer.vtepMac, peer]))
  const good = new Set<string>()
  for (const entry of socket.fdb(device)) {
    const peer = wanted.get(entry.mac)
    if (peer !== undefined && entry.destination === peer.publicIp) good.add(entry.mac)
    else if (peer === undefined && entry.state === 'permanent') {
      removeStale(context.changes, `remove forwarding entry ${entry.mac}`, () =>
        socket.deleteFdb({ index: device, mac: entry.mac, destination: entry.destination }),
      )
    }
  }
  for (const peer of peers) {
    if (good.has(peer.vtepMac)) continue
    attempt(context, peer, `set forwarding entry ${peer.vtepMac} to ${peer.publicIp}`, () =>
      socket.replaceFdb({ index: device, mac: peer.vtepMac, destination: peer.publicIp }),
    )
  }
}

function reconcileRoutes(
  socket: RouteSocket,
  spec: PathSpec,
  state: {
    wanted: Map<string, { peer: Peer; route: RouteSpec }>
    changes: string[]
    problems: PeerProblem[]
  },
): void {
  const { wanted, changes } = state
  const good = new Set<string>()
  const stale: Route[] = []
  for (const route of socket.routes({ family: spec.family, table: TABLE_MAIN })) {
    if (!isOurs(route, spec)) continue
    const want = wanted.get(route.destination)?.route
    if (want === undefined) stale.push(route)
    else if (same(route, want)) good.add(route.destination)
    // A route with another metric or device would stay beside the one that replaces.
    else if (route.index !== want.index || (route.metric ?? 0) !== (spec.family === 6 ? 1024 : 0))
      stale.push(route)
  }
  for (const route of stale) {
    removeStale(changes, `remove route ${route.destination}`, () => socket.deleteRoute(exactly(route)))
  }
  for (const [destination, { peer, route }] of wanted) {
    if (good.has(destination)) continue
    attempt(state, peer, `set route ${destination} via ${route.gateway}`, () => socket.replaceRoute(route))
  }
}

/** Routes into the pod network by way of a gateway on our devices, as flannel or we make them. */
function isOurs(route: Route, spec: PathSpec): boolean {
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

function same(route: Route, want: RouteSpec): boolean {
  return (
    route.gateway === want.gateway && route.index === want.index && route.onlink === (want.onlink === true)
  )
}

function exactly(route: Route): RouteSpec {
  return {
    destination: route.destination,
    gateway: route.gateway,
    index: route.index,
    table: route.table,
    protocol: route.protocol,
    metric: route.metric,
  }
}
