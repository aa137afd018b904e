import { createHash } from 'node:crypto'
import type { Node } from '#watch'
import type { AnnotationNames } from './annotations.ts'
import { contains, familyOfPrefix, networkAddress, networkText, overlaps } from './prefix.ts'

/** Another node as the overlay of one family sees it. */
export interface Peer {
  readonly node: string
  /** Its pod network. */
  readonly subnet: string
  /** Address of its tunnel device: the network's own address. */
  readonly gateway: string
  /** Where encapsulated packets go. */
  readonly publicIp: string
  readonly vtepMac: string
}

/** Why a Node is no peer. */
export interface PeerProblem {
  /** '' if it concerns none in particular. */
  readonly node: string
  readonly problem: string
}

/** What the peers of one family are judged by. */
export interface OwnNetwork {
  readonly nodeName: string
  readonly family: 4 | 6
  /** The cluster's pod network and this node's. */
  readonly network: string
  readonly subnet: string
  readonly backend: string
  readonly mac: string
  readonly names: AnnotationNames
}

/**
 * The MAC address of a node's tunnel device where no annotation tells it: the first bytes of the SHA-256 of the node's
 * name, locally administered and unicast (02:...). Manifests cannot be patched, so it must follow from what all know.
 */
export function derivedMac(nodeName: string): string {
  const hash = createHash('sha256').update(nodeName).digest().subarray(0, 5)
  return ['02', ...Array.from(hash, (byte) => byte.toString(16).padStart(2, '0'))].join(':')
}

/** The tunnel MAC of a node: flannel's backend-data annotation, else derived from the name. */
export function vtepMac(node: Node, family: 4 | 6, names: AnnotationNames): string {
  const text = node.metadata.annotations[names.backendData[family]]
  if (text !== undefined) {
    try {
      const data: unknown = JSON.parse(text)
      const mac = typeof data === 'object' && data !== null && 'VtepMAC' in data ? data.VtepMAC : undefined
      if (typeof mac === 'string' && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) return mac.toLowerCase()
    } catch {
      // "null" is what host-gw writes; anything else unreadable counts as absent, too.
    }
  }
  return derivedMac(node.metadata.name)
}

/** The node's pod network of a family. */
export function podNetwork(node: Node, family: 4 | 6): string | undefined {
  const cidr = node.spec.podCIDRs.find((candidate) => familyOfPrefix(candidate) === family)
  return cidr === undefined ? undefined : networkText(cidr)
}

/** The node's InternalIP of a family. */
export function internalIp(node: Node, family: 4 | 6): string | undefined {
  return node.status.addresses.find(
    ({ type, address }) =>
      type === 'InternalIP' && address !== '' && address.includes(':') === (family === 6),
  )?.address
}

/** An annotation that holds an address of the family; anything else counts as absent. */
export function annotatedAddress(
  node: Node,
  family: 4 | 6,
  names: Readonly<Record<4 | 6, string>>,
): string | undefined {
  const text = node.metadata.annotations[names[family]]?.trim()
  if (text === undefined || text.includes(':') !== (family === 6) || !/^[0-9a-f.:]+$/i.test(text))
    return undefined
  try {
    return networkAddress(text)
  } catch {
    return undefined
  }
}

/**
 * Where to send packets for a node: flannel's public-ip annotation; without one (manifests, which nobody patches) the
 * address it would write there: public-ip-overwrite, else the InternalIP.
 */
export function publicIp(node: Node, family: 4 | 6, names: AnnotationNames): string | undefined {
  return (
    annotatedAddress(node, family, names.publicIp) ??
    annotatedAddress(node, family, names.publicIpOverwrite) ??
    internalIp(node, family)
  )
}

type Candidate = { readonly peer: Peer } | { readonly problem: string } | undefined

/** Judges Nodes, each only once: with thousands of them every heartbeat brings one new object. */
export class PeerView {
  readonly #own: OwnNetwork
  readonly #candidates = new WeakMap<Node, { readonly candidate: Candidate }>()

  constructor(own: OwnNetwork) {
    this.#own = own
  }

  /** The peers among `nodes` by name, and why the others are none. Nodes still without a podCIDR are passed over. */
  among(nodes: Iterable<Node>): { peers: Peer[]; problems: PeerProblem[] } {
    const { nodeName, backend, mac } = this.#own
    const peers: Peer[] = []
    const problems: PeerProblem[] = []
    const sorted = [...nodes].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    const subnets = new Map<string, string>()
    const macs = new Map<string, string>([[mac, nodeName]])
    for (const node of sorted) {
      const { name } = node.metadata
      if (name === nodeName) continue
      const candidate = this.#candidate(node)
      if (candidate === undefined) continue
      if ('problem' in candidate) {
        problems.push({ node: name, problem: candidate.problem })
        continue
      }
      const { peer } = candidate
      const holder = subnets.get(peer.subnet)
      const twin = backend === 'vxlan' ? macs.get(peer.vtepMac) : undefined
      if (holder !== undefined) {
        problems.push({ node: name, problem: `podCIDR ${peer.subnet} belongs to Node ${holder} already` })
      } else if (twin !== undefined) {
        problems.push({ node: name, problem: `VtepMAC ${peer.vtepMac} is that of Node ${twin} already` })
      } else {
        subnets.set(peer.subnet, name)
        macs.set(peer.vtepMac, name)
        peers.push(peer)
      }
    }
    return { peers, problems }
  }

  #candidate(node: Node): Candidate {
    let known = this.#candidates.get(node)
    if (known === undefined) {
      known = { candidate: this.#judge(node) }
      this.#candidates.set(node, known)
    }
    return known.candidate
  }

  #judge(node: Node): Candidate {
    const { family, network, subnet: own, backend, names } = this.#own
    const subnet = podNetwork(node, family)
    if (subnet === undefined) return undefined
    const address = publicIp(node, family, names)
    const theirs = node.metadata.annotations[names.backendType]
    if (!contains(network, subnet))
      return { problem: `podCIDR ${subnet} is outside the pod network ${network}` }
    if (overlaps(own, subnet)) return { problem: `podCIDR ${subnet} overlaps this node's own ${own}` }
    if (address === undefined) return { problem: `has no IPv${family} InternalIP` }
    if (theirs !== undefined && theirs !== backend)
      return { problem: `runs the backend ${theirs}, not ${backend}` }
    return {
      peer: {
        node: node.metadata.name,
        subnet,
        gateway: networkAddress(subnet),
        publicIp: address,
        vtepMac: vtepMac(node, family, names),
      },
    }
  }
}

export function samePeer(a: Peer, b: Peer): boolean {
  return (
    a === b ||
    (a.node === b.node &&
      a.subnet === b.subnet &&
      a.gateway === b.gateway &&
      a.publicIp === b.publicIp &&
      a.vtepMac === b.vtepMac)
  )
}
