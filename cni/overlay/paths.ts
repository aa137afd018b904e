import { isNotFound, RouteBatch, type RouteEvent, type RouteSocket, type RouteSpec } from '#netlink'
import {
  dumpPaths,
  type PathSpec,
  type PathTables,
  RTPROT_BOOT,
  TABLE_MAIN,
  wantedPaths,
} from './path-tables.ts'
import type { PeerProblem } from './peers.ts'

export interface PathResult {
  readonly changes: string[]
  readonly problems: PeerProblem[]
  /** Names of the peers reached by a plain route. */
  readonly direct: ReadonlySet<string>
}

interface Change {
  readonly what: string
  readonly node?: string | undefined
  /** Keeps `known` true when the kernel refuses. */
  readonly refused: () => void
}

/**
 * The ways to the peers of one family: neighbours, forwarding entries and routes. It remembers what it has made, so
 * that a change of one peer touches that peer's entries only; with `fresh` it asks the kernel what is there.
 * For a tunnelled peer these are flannel's three: gateway -> VTEP MAC, VTEP MAC -> public address, subnet via gateway
 * onlink. A peer that fails does not stop the others.
 */
export class Paths {
  readonly #socket: RouteSocket
  #spec: PathSpec | undefined
  #known: PathTables = { neighbours: new Map(), forwarding: new Map(), routes: new Map() }
  /** Is a public address on the external link? */
  readonly #onLink = new Map<string, boolean>()

  constructor(socket: RouteSocket) {
    this.#socket = socket
  }

  reconcile(spec: PathSpec, options: { fresh: boolean }): PathResult {
    const fresh = options.fresh || this.#spec === undefined || !sameGround(this.#spec, spec)
    if (fresh) this.#onLink.clear()
    this.#spec = spec
    const problems: PeerProblem[] = []
    const direct = spec.direct ? this.#directPeers(spec, problems) : new Set<string>()
    const wanted = wantedPaths(spec, direct)
    const batch = new RouteBatch()
    const changes: Change[] = []
    const dumped = fresh ? dumpPaths(this.#socket, spec, wanted) : undefined
    const before = dumped?.tables ?? this.#known
    this.#known = {
      neighbours: new Map(wanted.neighbours),
      forwarding: new Map(wanted.forwarding),
      routes: new Map(wanted.routes),
    }
    // What is new first, what is stale last: there is always a way.
    this.#write(batch, changes, { spec, before, wanted })
    this.#remove(batch, changes, { spec, before, wanted })
    for (const route of dumped?.stale ?? []) {
      batch.deleteRoute(route)
      changes.push({ what: `remove route ${route.destination}`, refused: () => {} })
    }
    return { changes: this.#apply(batch, changes, problems), problems, direct }
  }

  /** Does a notification say that something made here was changed by others? */
  disturbedBy(event: RouteEvent): boolean {
    const device = this.#spec?.device
    switch (event.kind) {
      case 'neighbour': {
        const { neighbour, deleted } = event
        const want = neighbour.index === device ? this.#known.neighbours.get(neighbour.address) : undefined
        return (
          want !== undefined && (deleted || neighbour.state !== 'permanent' || neighbour.mac !== want.mac)
        )
      }
      case 'fdb': {
        const { entry, deleted } = event
        const want = entry.index === device ? this.#known.forwarding.get(entry.mac) : undefined
        return want !== undefined && (entry.destination === want.destination) === deleted
      }
      case 'route': {
        const { route, deleted } = event
        const want = route.table === TABLE_MAIN ? this.#known.routes.get(route.destination) : undefined
        if (want === undefined) return false
        return (route.gateway === want.gateway && route.index === want.index) === deleted
      }
      default:
        return false
    }
  }

  #apply(batch: RouteBatch, changes: readonly Change[], problems: PeerProblem[]): string[] {
    const failed = new Set<number>()
    for (const { index, error } of this.#socket.apply(batch)) {
      failed.add(index)
      const change = changes[index]
      if (change === undefined) continue
      // Something stale that is gone already is fine.
      if (change.node === undefined && isNotFound(error)) continue
      change.refused()
      problems.push({ node: change.node ?? '', problem: `${change.what}: ${error.message}` })
    }
    return changes
      .filter((_, index) => !failed.has(index))
      .map(({ what, node }) => (node === undefined ? what : `${what} (Node ${node})`))
  }

  #write(
    batch: RouteBatch,
    changes: Change[],
    { spec, before, wanted }: { spec: PathSpec; before: PathTables; wanted: PathTables },
  ): void {
    const known = this.#known
    const { device } = spec
    const add = (what: string, node: string, table: Map<string, unknown>, key: string): void => {
      changes.push({ what, node, refused: () => table.delete(key) })
    }
    if (device !== undefined) {
      for (const [address, { mac, node }] of wanted.neighbours) {
        if (before.neighbours.get(address)?.mac === mac) continue
        batch.replaceNeighbour({ index: device, address, mac })
        add(`set neighbour ${address} to ${mac}`, node, known.neighbours, address)
      }
      for (const [mac, { destination, node }] of wanted.forwarding) {
        if (before.forwarding.get(mac)?.destination === destination) continue
        batch.replaceFdb({ index: device, mac, destination })
        add(`set forwarding entry ${mac} to ${destination}`, node, known.forwarding, mac)
      }
    }
    for (const [destination, way] of wanted.routes) {
      const there = before.routes.get(destination)
      if (there?.gateway === way.gateway && there.index === way.index) continue
      const { gateway, index, onlink } = way
      batch.replaceRoute({ destination, gateway, index, onlink, scope: 'global', protocol: RTPROT_BOOT })
      add(`set route ${destination} via ${gateway}`, way.node, known.routes, destination)
    }
  }

  #remove(
    batch: RouteBatch,
    changes: Change[],
    { spec, before, wanted }: { spec: PathSpec; before: PathTables; wanted: PathTables },
  ): void {
    const known = this.#known
    const { device } = spec
    for (const [destination, way] of before.routes) {
      if (wanted.routes.has(destination)) continue
      const stale: RouteSpec = { destination, gateway: way.gateway, index: way.index }
      batch.deleteRoute(stale)
      changes.push({
        what: `remove route ${destination}`,
        refused: () => known.routes.set(destination, way),
      })
    }
    if (device === undefined) return
    for (const [address, entry] of before.neighbours) {
      if (wanted.neighbours.has(address)) continue
      batch.deleteNeighbour({ index: device, address })
      const refused = (): unknown => known.neighbours.set(address, entry)
      changes.push({ what: `remove neighbour ${address}`, refused })
    }
    for (const [mac, entry] of before.forwarding) {
      if (wanted.forwarding.has(mac)) continue
      batch.deleteFdb({ index: device, mac, destination: entry.destination })
      const refused = (): unknown => known.forwarding.set(mac, entry)
      changes.push({ what: `remove forwarding entry ${mac}`, refused })
    }
  }

  /** The peers on the external interface's link; for host-gw the others are problems. */
  #directPeers(spec: PathSpec, problems: PeerProblem[]): Set<string> {
    const direct = new Set<string>()
    for (const { node, publicIp } of spec.peers) {
      let onLink = this.#onLink.get(publicIp)
      if (onLink === undefined) {
        const way = this.#socket.routeTo(publicIp)
        onLink = way !== undefined && way.gateway === undefined && way.index === spec.external
        this.#onLink.set(publicIp, onLink)
      }
      if (onLink) direct.add(node)
      else if (spec.device === undefined) {
        problems.push({ node, problem: `${publicIp} is not on the same link: host-gw cannot reach it` })
      }
    }
    return direct
  }
}

function sameGround(a: PathSpec, b: PathSpec): boolean {
  return (
    a.network === b.network && a.external === b.external && a.device === b.device && a.direct === b.direct
  )
}
