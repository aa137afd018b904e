/** Numbers of the kernel that expressions take (include/uapi/linux/netfilter/nf_tables.h), and the options of the longer ones. */

export const PAYLOAD_BASES = { link: 0, network: 1, transport: 2 } as const
export const CMP_OPS = { eq: 0, neq: 1, lt: 2, lte: 3, gt: 4, gte: 5 } as const
export const META_KEYS = {
  length: 0,
  protocol: 1,
  priority: 2,
  mark: 3,
  iif: 4,
  oif: 5,
  iifname: 6,
  oifname: 7,
  iiftype: 8,
  nfproto: 15,
  l4proto: 16,
  pkttype: 19,
  iifgroup: 21,
  oifgroup: 22,
} as const
export const CT_KEYS = {
  state: 0,
  direction: 1,
  status: 2,
  mark: 3,
  protocol: 10,
  'proto-src': 11,
  'proto-dst': 12,
  zone: 17,
  'src-ip': 19,
  'dst-ip': 20,
  'src-ip6': 21,
  'dst-ip6': 22,
} as const
export const FIB_RESULTS = { oif: 1, oifname: 2, type: 3 } as const
export const FIB_FLAGS = { saddr: 1, daddr: 2, mark: 4, iif: 8, oif: 16 } as const
export const DYNSET_OPS = { add: 0, update: 1, delete: 2 } as const
export const REJECTS = { 'icmp-unreachable': 0, 'tcp-reset': 1, 'icmpx-unreachable': 2 } as const

export type MetaKey = keyof typeof META_KEYS
export type CtKey = keyof typeof CT_KEYS

export interface NatOptions {
  type: 'snat' | 'dnat'
  family: 'ip' | 'ip6'
  /** Registers that hold address and port. */
  address?: number | undefined
  addressMax?: number | undefined
  port?: number | undefined
  portMax?: number | undefined
  /** NF_NAT_RANGE_*; nft sets 2 when a port is given as a constant. */
  flags?: number | undefined
}

export interface DynsetOptions {
  set: string
  op: 'add' | 'update' | 'delete'
  /** Register of the key; of the data for maps. */
  key: number
  data?: number | undefined
  timeoutMs?: number | undefined
}
