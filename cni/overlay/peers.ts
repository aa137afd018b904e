import { createHash } from 'node:crypto'
import type { Node } from '#watch'
import { contains, familyOfPrefix, networkAddress, networkText, overlaps } from './prefix.ts'

const PREFIX = 'flannel.alpha.coreos.com/'

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
  readonly node: string
  readonly problem: string
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
export function vtepMac(node: Node, family: 4 | 6): string {
  const text = node.metadata.annotations[`${PREFIX}${family === 4 ? 'backend-data' : 'backend-v6-data'}`]
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

/** Where to send packets for a node: flannel's public-ip annotation, else the InternalIP. */
export function publicIp(node: Node, family: 4 | 6): string | undefined {
  const annotated = node.metadata.annotations[`${PREFIX}${family === 4 ? 'public-ip' : 'public-ipv6'}`]
  return annotated !== undefined &&
    annotated.includes(':') === (family === 6) &&
    /^[0-9a-f.:]+$/i.test(annotated)
    ? annotated
    : internalIp(node, family)
}

/** The peers among `nodes`, and why the others are none. Nodes still without a podCIDR are passed over. */
export function peersAmong(
  nodes: Iterable<Node>,
  own: { nodeName: string; family: 4 | 6; network: string; subnet: string; backend: string },
): { peers: Peer[]; problems: PeerProblem[] } {
  const peers: Peer[] = []
  const problems: PeerProblem[] = []
  const sorted = [...nodes].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  const taken = new Map<string, string>()
  for (const node of sorted) {
    const { name } = node.metadata
    if (name === own.nodeName) continue
    const subnet = podNetwork(node, own.family)
    if (subnet === undefined) continue
    const reject = (problem: string): void => {
      problems.push({ node: name, problem })
    }
    const address = publicIp(node, own.family)
    const backend = node.metadata.annotations[`${PREFIX}backend-type`]
    const holder = taken.get(subnet)
    if (!contains(own.network, subnet)) reject(`podCIDR ${subnet} is outside the pod network ${own.network}`)
    else if (overlaps(own.subnet, subnet)) reject(`podCIDR ${subnet} overlaps this node's own ${own.subnet}`)
    else if (holder !== undefined) reject(`podCIDR ${subnet} belongs to Node ${holder} already`)
    else if (address === undefined) reject(`has no IPv${own.family} InternalIP`)
    else if (backend !== undefined && backend !== own.backend)
      reject(`runs the backend ${backend}, not ${own.backend}`)
    else {
      taken.set(subnet, name)
      const mac = vtepMac(node, own.family)
      peers.push({ node: name, subnet, gateway: networkAddress(subnet), publicIp: address, vtepMac: mac })
    }
  }
  return { peers, problems }
}
