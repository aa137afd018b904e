/** Numbers of nf_tables (include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h) and of nft's own data types. */

import type { NftFamily, NftHook, NftSetFlag, NftType } from './types.ts'

export const NFNL_MSG_BATCH_BEGIN = 16
export const NFNL_MSG_BATCH_END = 17
export const NFNL_SUBSYS_NFTABLES = 10
export const NFNL_BATCH_GENID = 1
/** nfgenmsg: family, version, resource id (u16). */
export const NFGENMSG = 4

/** Message numbers within the subsystem. `destroy` (Linux 6.3) deletes without complaint about what is missing. */
export const MESSAGES = {
  table: { add: 0, get: 1, delete: 2, destroy: 26 },
  chain: { add: 3, get: 4, delete: 5, destroy: 27 },
  rule: { add: 6, get: 7, delete: 8, destroy: 28 },
  set: { add: 9, get: 10, delete: 11, destroy: 29 },
  elements: { add: 12, get: 13, delete: 14, destroy: 30 },
} as const
export const NFT_MSG_GETGEN = 16

export const FAMILIES: Readonly<Record<NftFamily, number>> = { inet: 1, ip: 2, netdev: 5, bridge: 7, ip6: 10 }

export function familyName(value: number): NftFamily | undefined {
  return (Object.keys(FAMILIES) as NftFamily[]).find((name) => FAMILIES[name] === value)
}

const INET_HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4, ingress: 5 } as const
const NETDEV_HOOKS = { ingress: 0, egress: 1 } as const

export function hookNumber(family: NftFamily, hook: NftHook): number | undefined {
  const hooks: Partial<Record<NftHook, number>> = family === 'netdev' ? NETDEV_HOOKS : INET_HOOKS
  return hooks[hook]
}

export function hookName(family: NftFamily, value: number): NftHook | undefined {
  const hooks: Partial<Record<NftHook, number>> = family === 'netdev' ? NETDEV_HOOKS : INET_HOOKS
  return (Object.keys(hooks) as NftHook[]).find((name) => hooks[name] === value)
}

export const NFT_SET_ANONYMOUS = 1
export const NFT_SET_INTERVAL = 4
export const NFT_SET_MAP = 8
export const NFT_SET_CONCAT = 128
export const SET_FLAGS: Readonly<Record<NftSetFlag, number>> = {
  constant: 2,
  interval: NFT_SET_INTERVAL,
  timeout: 16,
  dynamic: 32,
}
export const NFT_SET_ELEM_INTERVAL_END = 1
export const NFT_DATA_VERDICT = 0xffffff00

/**
 * nft's data types (nftables src/datatype.c): the number listings are rendered by, the size in bytes and the byte
 * order (userdata: 1 host, 2 big endian).
 */
export const TYPES: Readonly<Record<NftType, { id: number; size: number; byteOrder: 1 | 2 }>> = {
  integer: { id: 4, size: 4, byteOrder: 1 },
  ipv4_addr: { id: 7, size: 4, byteOrder: 2 },
  ipv6_addr: { id: 8, size: 16, byteOrder: 2 },
  ether_addr: { id: 9, size: 6, byteOrder: 2 },
  inet_proto: { id: 12, size: 1, byteOrder: 2 },
  inet_service: { id: 13, size: 2, byteOrder: 2 },
  mark: { id: 19, size: 4, byteOrder: 1 },
  ifname: { id: 41, size: 16, byteOrder: 1 },
}

/** Verdict codes as the kernel's i32. */
export const VERDICTS = { drop: 0, accept: 1, continue: -1, jump: -3, goto: -4, return: -5 } as const

/** Bytes of a key or of data made of `parts`; each part of a concatenation is padded to 4. */
export function typesLength(parts: readonly NftType[]): number {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return TYPES[only].size
  return parts.reduce((sum, part) => sum + ((TYPES[part].size + 3) & ~3), 0)
}

/** Type number of a key or of data; the parts of a concatenation take 6 bits each, the first one highest. */
export function typesId(parts: readonly NftType[]): number {
  return parts.reduce((id, part) => id * 64 + TYPES[part].id, 0) >>> 0
}

/** The reverse of `typesId`; undefined when a type is none of ours. */
export function typesOfId(id: number): NftType[] | undefined {
  const parts: NftType[] = []
  for (let rest = id; rest > 0; rest = Math.floor(rest / 64)) {
    const found = (Object.keys(TYPES) as NftType[]).find((name) => TYPES[name].id === rest % 64)
    if (found === undefined) return undefined
    parts.unshift(found)
  }
  return parts
}
