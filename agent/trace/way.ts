// How packets of this node get to an address: what the kernel does, against what the cluster needs.
import ipaddr from 'ipaddr.js'
import type { Neighbour, Route, RouteSocket } from '#netlink'
import type { Node, Pod, Store } from '#watch'

/** A peer of the overlay, as far as a way needs it. */
export interface Peer {
  readonly node: string
  readonly subnet: string
  readonly gateway: string
  readonly publicIp: string
  readonly by: string
}

/** What the overlay of this agent knows; undefined where another program connects the nodes. */
export interface OverlayFacts {
  readonly peers: readonly Peer[]
  /** why a Node is no peer, by name */
  readonly problems: ReadonlyMap<string, string>
  /** why it is not in place at all */
  readonly failure: string | undefined
}

export interface WayContext {
  readonly store: Store
  readonly nodeName: string
  readonly overlay: OverlayFacts | undefined
  readonly routes: Pick<RouteSocket, 'routeTo' | 'link' | 'neighbours' | 'fdb'>
}

/** One row for people. */
export interface Way {
  readonly address: string
  /** Pod or Node that has the address; '' if that is not known */
  readonly owner: string
  /** the interface and the next hop */
  readonly way: string
  /** what stands in the way; '' if nothing is seen */
  readonly problem: string
}

/** The way of a packet from this node to `address`; `node` says where an endpoint's slice puts it. */
export function wayTo(address: string, context: WayContext, node?: string): Way {
  const { store } = context
  const pod = [...store.lookup('Pod', 'ip', address)].find(({ spec }) => !spec.hostNetwork)
  const [itsNode] = store.lookup('Node', 'address', address)
  const on = itsNode?.metadata.name ?? pod?.spec.nodeName ?? node ?? nodeWithNetwork(address, context)
  const owner = ownerOf(pod, itsNode, on)
  const route = routeTo(address, context)
  if (typeof route === 'string') return { address, owner, way: '', problem: route }
  if (route.type === 'local') return { address, owner, way: 'this node itself', problem: '' }
  const device = route.index === undefined ? '' : (context.routes.link(route.index)?.name ?? '')
  const peer = context.overlay?.peers.find(({ subnet }) => contains(subnet, address))
  const plain = `${device}${route.gateway === undefined ? '' : ` via ${route.gateway}`}`
  if (itsNode !== undefined) return { address, owner, way: plain, problem: '' }
  if (peer !== undefined) {
    const way = peer.by === 'vxlan' ? `${device} to ${peer.publicIp}` : plain
    return { address, owner, way, problem: overlayProblem(peer, route, context) }
  }
  const problem =
    on === context.nodeName ? localProblem(address, pod, route, context) : strayed(on, address, context)
  return { address, owner, way: plain, problem }
}

function ownerOf(pod: Pod | undefined, node: Node | undefined, on: string | undefined): string {
  if (node !== undefined) return `Node ${node.metadata.name}`
  const where = on === undefined || on === '' ? '' : `on ${on}`
  if (pod === undefined) return where
  return `${pod.metadata.namespace}/${pod.metadata.name} ${where}`.trim()
}

/** The node whose pod network has the address. */
function nodeWithNetwork(address: string, { store }: WayContext): string | undefined {
  for (const { metadata, spec } of store.list('Node'))
    if (spec.podCIDRs.some((cidr) => contains(cidr, address))) return metadata.name
  return undefined
}

function routeTo(address: string, { routes }: WayContext): Route | string {
  try {
    return routes.routeTo(address) ?? `this node has no route to ${address}`
  } catch (error) {
    // A blackhole answers EINVAL, unreachable EHOSTUNREACH, prohibit EACCES (fib_props in net/ipv4/fib_semantics.c).
    return `the route to ${address} refuses it: ${error instanceof Error ? error.message : String(error)}`
  }
}

function overlayProblem(peer: Peer, route: Route, { routes }: WayContext): string {
  if (route.linkDown) return 'the interface of the route is down'
  if (peer.by !== 'vxlan') return ''
  if (route.gateway !== peer.gateway || route.index === undefined)
    return `the kernel has another route than the one to ${peer.gateway}: something changed it`
  const entry = routes.neighbours({ index: route.index }).find(({ address }) => address === peer.gateway)
  if (entry?.mac === undefined) return `${peer.gateway} has no neighbour entry on the VXLAN device`
  const tunnel = routes.fdb(route.index).find(({ mac }) => mac === entry.mac)
  if (tunnel === undefined) return `${entry.mac} has no forwarding entry on the VXLAN device`
  if (tunnel.destination !== peer.publicIp)
    return `its tunnel ends at ${tunnel.destination ?? 'nowhere'} instead of ${peer.publicIp}`
  return ''
}

/** An address in this node's own pod network. */
function localProblem(address: string, pod: Pod | undefined, route: Route, context: WayContext): string {
  if (pod === undefined) return 'no Pod of this node has this address'
  if (pod.status.phase === 'Failed' || pod.status.phase === 'Succeeded')
    return `the Pod has ended: ${pod.status.phase}`
  const entry = neighbourOf(address, route, context)
  if (entry?.state === 'failed' || entry?.state === 'incomplete')
    return `nobody answers for it on this link (neighbour entry ${entry.state}): its interface is gone or down`
  return ''
}

function neighbourOf(address: string, route: Route, { routes }: WayContext): Neighbour | undefined {
  if (route.index === undefined) return undefined
  return routes.neighbours({ index: route.index }).find((entry) => entry.address === address)
}

/** An address of another node's pods that the overlay has no peer for. */
function strayed(on: string | undefined, address: string, { store, overlay }: WayContext): string {
  if (on === undefined || on === '' || overlay === undefined) return ''
  if (overlay.failure !== undefined) return `the overlay is not in place: ${overlay.failure}`
  const known = overlay.problems.get(on)
  if (known !== undefined) return `Node ${on}: ${known}`
  const node = store.get('Node', on)
  if (node === undefined) return `there is no Node ${on}`
  const { podCIDRs } = node.spec
  if (podCIDRs.length === 0) return `Node ${on} has no podCIDR yet`
  if (!podCIDRs.some((cidr) => contains(cidr, address)))
    return `it is not in the pod network of Node ${on} (${podCIDRs.join(', ')})`
  return `the overlay has no peer for Node ${on}`
}

/** Does a CIDR hold an address? False for addresses of the other family. */
export function contains(cidr: string, address: string): boolean {
  const [network, length] = ipaddr.parseCIDR(cidr)
  const parsed = ipaddr.parse(address)
  return network.kind() === parsed.kind() && parsed.match(network, length)
}
