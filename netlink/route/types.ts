/**
 * The objects of rtnetlink as callers see them. Addresses are text ('10.1.2.3', 'fd00::1'), prefixes CIDR text
 * ('10.1.0.0/16'), MAC addresses 'aa:bb:cc:dd:ee:ff'.
 */

export type AddressFamily = 4 | 6

/** A port of a bridge (IFLA_BRPORT_*). */
export interface BridgePort {
  readonly hairpin: boolean
  readonly isolated: boolean
  readonly learning: boolean
  /** Spanning tree state: 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking. */
  readonly state: number
}

/** What a VXLAN device was made with (IFLA_VXLAN_*). */
export interface Vxlan {
  /** VNI. */
  readonly id: number
  /** Interface index of the underlay device, 0 if none. */
  readonly link: number
  readonly local?: string | undefined
  /** Multicast group or default remote. */
  readonly group?: string | undefined
  readonly port: number
  readonly learning: boolean
  readonly l2miss: boolean
  readonly l3miss: boolean
  readonly gbp: boolean
}

export interface LinkStats {
  readonly rxPackets: number
  readonly txPackets: number
  readonly rxBytes: number
  readonly txBytes: number
}

export type OperState = 'unknown' | 'notpresent' | 'down' | 'lowerlayerdown' | 'testing' | 'dormant' | 'up'

export interface Link {
  readonly index: number
  readonly name: string
  /** IFLA_INFO_KIND: 'veth', 'bridge', 'vxlan' ...; absent for hardware and loopback. */
  readonly kind?: string | undefined
  readonly mtu: number
  /** '' for links without a link-layer address. */
  readonly mac: string
  /** Administratively up (IFF_UP). */
  readonly up: boolean
  /** Has carrier and is up (IFF_RUNNING). */
  readonly running: boolean
  readonly loopback: boolean
  /** Index of the bridge (or bond ...) this link is a port of. */
  readonly master?: number | undefined
  /** IFLA_LINK: index of the veth peer or of the lower device; in namespace `linkNetnsId` if that is set. */
  readonly peerIndex?: number | undefined
  readonly linkNetnsId?: number | undefined
  readonly group: number
  readonly alias?: string | undefined
  readonly operState: OperState
  readonly promiscuous: boolean
  readonly bridgePort?: BridgePort | undefined
  readonly vxlan?: Vxlan | undefined
  readonly bridge?: { readonly vlanFiltering: boolean } | undefined
  readonly stats64?: LinkStats | undefined
}

export interface VethSpec {
  peerName: string
  /** Path of the namespace in which the peer is born; default: the socket's own. */
  peerNetns?: string | undefined
  peerMac?: string | undefined
  peerMtu?: number | undefined
  peerUp?: boolean | undefined
}

export interface VxlanSpec {
  /** VNI, 0 to 2^24 - 1. */
  id: number
  /** Index of the underlay interface. */
  link?: number | undefined
  /** Source address of the outer header. */
  local?: string | undefined
  /** UDP destination port; default: the kernel's 8472. */
  port?: number | undefined
  /** Learn MAC addresses from traffic; default false (the kernel's own default is true). */
  learning?: boolean | undefined
  gbp?: boolean | undefined
}

export interface BridgeSpec {
  vlanFiltering?: boolean | undefined
}

export interface MacvlanSpec {
  /** Index of the lower device. */
  link: number
  mode?: 'private' | 'vepa' | 'bridge' | 'passthru' | undefined
  /** Broadcast and multicast packets that may wait; default 1000. */
  broadcastQueueLength?: number | undefined
}

export interface LinkSpec {
  name: string
  kind: 'veth' | 'bridge' | 'vxlan' | 'macvlan' | 'ifb' | 'dummy'
  mtu?: number | undefined
  mac?: string | undefined
  up?: boolean | undefined
  /** Index of the bridge to become a port of. */
  master?: number | undefined
  group?: number | undefined
  /** Make the link in this namespace (path) instead of the socket's own. */
  netns?: string | undefined
  /** Like `netns`, as an open file descriptor. */
  netnsFd?: number | undefined
  txQueueLength?: number | undefined
  veth?: VethSpec | undefined
  vxlan?: VxlanSpec | undefined
  bridge?: BridgeSpec | undefined
  macvlan?: MacvlanSpec | undefined
}

export interface LinkChange {
  up?: boolean | undefined
  mtu?: number | undefined
  mac?: string | undefined
  /** Index of the bridge; 0 takes the link out of its bridge. */
  master?: number | undefined
  name?: string | undefined
  group?: number | undefined
  alias?: string | undefined
  /** Move the link into this namespace (path). */
  netns?: string | undefined
  /** What the kernel can change of a living VXLAN device; it keeps its entries. */
  vxlan?: Pick<VxlanSpec, 'link' | 'local' | 'learning'> | undefined
  promiscuous?: boolean | undefined
  /** Bridge port attributes: the link must be a port of a bridge (or become one by `master`). */
  hairpin?: boolean | undefined
  isolated?: boolean | undefined
  learning?: boolean | undefined
}

export type Scope = 'global' | 'site' | 'link' | 'host' | 'nowhere'

export interface Address {
  readonly index: number
  readonly family: AddressFamily
  /** The interface's own address without prefix length. */
  readonly address: string
  readonly prefixLength: number
  /** The other end of a point-to-point link. */
  readonly peer?: string | undefined
  readonly broadcast?: string | undefined
  readonly label?: string | undefined
  readonly scope: Scope
  readonly permanent: boolean
  readonly temporary: boolean
  readonly deprecated: boolean
  readonly tentative: boolean
  readonly dadFailed: boolean
}

export interface AddressSpec {
  index: number
  /** CIDR; without a prefix length a host address (/32, /128). */
  address: string
  broadcast?: string | undefined
  scope?: Scope | undefined
  /** IPv6: skip duplicate address detection. */
  noDad?: boolean | undefined
  /** Do not add the prefix route. */
  noPrefixRoute?: boolean | undefined
}

export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'

export interface NextHop {
  readonly index: number
  readonly gateway?: string | undefined
  readonly onlink: boolean
  readonly weight: number
}

export interface Route {
  readonly family: AddressFamily
  /** CIDR; '0.0.0.0/0' or '::/0' for the default route. */
  readonly destination: string
  readonly gateway?: string | undefined
  /** Index of the outgoing interface. */
  readonly index?: number | undefined
  readonly source?: string | undefined
  readonly table: number
  readonly scope: Scope
  readonly type: RouteType
  readonly protocol: number
  readonly metric?: number | undefined
  readonly mtu?: number | undefined
  readonly onlink: boolean
  readonly linkDown: boolean
  readonly nextHops?: readonly NextHop[] | undefined
}

export interface RouteSpec {
  /** CIDR, or 'default' (then `family` says which; default 4). */
  destination: string
  family?: AddressFamily | undefined
  gateway?: string | undefined
  index?: number | undefined
  /** Preferred source address. */
  source?: string | undefined
  /** Table id, default 254 (main). */
  table?: number | undefined
  /** Default as in ip(8): link for unicast without gateway, host for local, else global. */
  scope?: Scope | undefined
  type?: RouteType | undefined
  /** RTPROT_*; default 3 (boot), as ip(8). */
  protocol?: number | undefined
  metric?: number | undefined
  mtu?: number | undefined
  onlink?: boolean | undefined
}

export interface RouteFilter {
  family?: AddressFamily | undefined
  table?: number | undefined
  /** Outgoing interface. */
  index?: number | undefined
}

export type NeighbourState =
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent'
  | 'none'

export interface Neighbour {
  readonly index: number
  readonly family: AddressFamily
  readonly address: string
  readonly mac?: string | undefined
  readonly state: NeighbourState
  readonly proxy: boolean
}

export interface NeighbourSpec {
  index: number
  address: string
  mac?: string | undefined
  /** Default 'permanent'. */
  state?: NeighbourState | undefined
}

export interface FdbEntry {
  readonly index: number
  readonly mac: string
  /** VXLAN: remote VTEP. */
  readonly destination?: string | undefined
  readonly vlan?: number | undefined
  readonly master?: number | undefined
  readonly state: NeighbourState
  /** Entry of the device itself (NTF_SELF), not of its bridge. */
  readonly self: boolean
}

export interface FdbSpec {
  index: number
  mac: string
  /** VXLAN: remote VTEP address. */
  destination?: string | undefined
  vlan?: number | undefined
  /** Entry of the device itself (default, as VXLAN needs) or of the bridge it is a port of. */
  owner?: 'self' | 'master' | undefined
  /** Default 'permanent'. */
  state?: NeighbourState | undefined
}

export type RouteGroup = 'link' | 'ipv4-address' | 'ipv6-address' | 'ipv4-route' | 'ipv6-route' | 'neighbour'

/** A notification; `deleted` objects carry what the kernel said last about them. */
export type RouteEvent =
  | { readonly kind: 'link'; readonly deleted: boolean; readonly link: Link }
  | { readonly kind: 'address'; readonly deleted: boolean; readonly address: Address }
  | { readonly kind: 'route'; readonly deleted: boolean; readonly route: Route }
  | { readonly kind: 'neighbour'; readonly deleted: boolean; readonly neighbour: Neighbour }
  /** Forwarding databases report to the group 'neighbour', too. */
  | { readonly kind: 'fdb'; readonly deleted: boolean; readonly entry: FdbEntry }
