import type { Bytes } from './bytes.ts'

/** Parts of a set's key or value; `address` is ipv4_addr or ipv6_addr by the table's family. */
export type PartType = 'address' | 'inet_proto' | 'inet_service' | 'mark'

/** One of the constant number of sets and maps of a table. */
export interface SetShape {
  readonly name: string
  /** One character that stands for the set in an ElementKey. */
  readonly code: string
  readonly key: readonly PartType[]
  /** 'verdict', the parts of a map's values, or undefined for a plain set. */
  readonly data?: readonly PartType[] | 'verdict'
  /** The elements are ranges: data holds the end of the key. */
  readonly interval?: true
  /** Written by the kernel for each client, never by us. */
  readonly dynamic?: true
  /** Elements name their Service in a comment. */
  readonly commented?: true
}

const frontend = ['address', 'inet_proto', 'inet_service'] as const
const nodePort = ['inet_proto', 'inet_service'] as const
const endpoint = ['address', 'inet_service'] as const

export const SETS = {
  /** clusterIP, external IP or load balancer VIP -> the number of the chain that picks an endpoint */
  serviceIps: { name: 'service-ips', code: 'a', key: frontend, data: ['mark'], commented: true },
  serviceNodePorts: {
    name: 'service-nodeports',
    code: 'b',
    key: nodePort,
    data: ['mark'],
    commented: true,
  },
  /**
   * The number of a chain -> the chain. The only verdict map, and as small as there are chains: whenever an element with
   * a chain is added, the kernel walks over all elements of the table's verdict maps, once for each hook that they can be
   * reached from (nft_lookup_validate in net/netfilter/nft_lookup.c). With verdicts in the maps above, every new Service
   * would cost 3 ms at 30,000 Services.
   */
  chains: { name: 'chains', code: 'o', key: ['mark'], data: 'verdict' },
  /** frontend and slot -> endpoint. Slots 0..N-1 serve policy Cluster, LOCAL_SLOTS.. policy Local, STICKY_SLOTS.. affinity. */
  endpoints: { name: 'endpoints', code: 'c', key: [...frontend, 'mark'], data: endpoint },
  nodePortEndpoints: { name: 'nodeport-endpoints', code: 'd', key: [...nodePort, 'mark'], data: endpoint },
  /** frontends that have nothing to send connections to: these are refused */
  noEndpointServices: { name: 'no-endpoint-services', code: 'e', key: frontend, commented: true },
  noEndpointNodePorts: { name: 'no-endpoint-nodeports', code: 'f', key: nodePort, commented: true },
  /** and these, which have endpoints on other nodes only and traffic policy Local, answer nothing */
  noLocalEndpointServices: {
    name: 'no-local-endpoint-services',
    code: 'p',
    key: frontend,
    commented: true,
  },
  noLocalEndpointNodePorts: {
    name: 'no-local-endpoint-nodeports',
    code: 'q',
    key: nodePort,
    commented: true,
  },
  /** all clusterIPs, so that ports which no Service has are refused */
  clusterIps: { name: 'cluster-ips', code: 'g', key: ['address'] },
  /** the node's own addresses on which node ports are offered */
  nodePortIps: { name: 'nodeport-ips', code: 'h', key: ['address'] },
  /** endpoints of this node, twice: they may reach themselves through a Service */
  hairpin: { name: 'hairpin', code: 'i', key: ['address', 'address'] },
  /** VIPs with loadBalancerSourceRanges, and who may reach them */
  firewallIps: { name: 'firewall-ips', code: 'j', key: frontend },
  firewallAllowed: { name: 'firewall-allowed', code: 'k', key: [...frontend, 'address'], interval: true },
  /** session affinity: random slot -> sticky slot, and client and frontend -> sticky slot (filled by the kernel) */
  stickySlots: { name: 'sticky-slots', code: 'l', key: [...frontend, 'mark'], data: ['mark'] },
  stickyNodePortSlots: {
    name: 'sticky-nodeport-slots',
    code: 'm',
    key: [...nodePort, 'mark'],
    data: ['mark'],
  },
  affinity: { name: 'affinity', code: 'n', key: ['address', ...frontend], data: ['mark'], dynamic: true },
} as const satisfies Readonly<Record<string, SetShape>>

export const SET_SHAPES: readonly SetShape[] = Object.values(SETS)

const byCode = new Map(SET_SHAPES.map((shape) => [shape.code, shape]))

/** The set's code followed by the bytes of the key: unique within a table. */
export type ElementKey = Bytes

/**
 * What belongs to the key: a map's value, the end of a range, '' for a plain set; for the verdict map the verdict as text
 * (`goto cluster-5`). Then the comment, if the set's elements have one.
 */
export type ElementData = Bytes

export type Elements = Map<ElementKey, ElementData>

export function shapeOf(key: ElementKey): SetShape {
  const shape = byCode.get(key.charAt(0))
  if (shape === undefined) throw new Error(`no set has the code of element key ${JSON.stringify(key)}`)
  return shape
}

/** First slot of the endpoints used by traffic policy Local. */
export const LOCAL_SLOTS = 0x1_0000
/** Slots from here on are stable names of endpoints (31 bit hashes), used by session affinity. */
export const STICKY_SLOTS = 0x8000_0000
