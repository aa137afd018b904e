import type { NftSetSpec, NftType } from '#netlink'
import type { Family } from '../model/bytes.ts'
import type { PartType, SetShape } from '../model/sets.ts'

/**
 * Clients remembered for session affinity. The kernel's own limit for dynamic sets, 65535, would silently stop
 * learning there.
 */
const AFFINITY_SIZE = 1 << 20

/** The shape as the kernel is told, without table. */
export function setSpec(
  shape: SetShape,
  family: Family,
): Pick<NftSetSpec, 'name' | 'key' | 'data' | 'flags' | 'size'> {
  const type = (part: PartType): NftType =>
    part === 'address' ? (family === 4 ? 'ipv4_addr' : 'ipv6_addr') : part
  return {
    name: shape.name,
    key: shape.key.map(type),
    data: shape.data === undefined || shape.data === 'verdict' ? shape.data : shape.data.map(type),
    ...(shape.interval ? { flags: ['interval'] as const } : {}),
    ...(shape.dynamic ? { flags: ['dynamic', 'timeout'] as const, size: AFFINITY_SIZE } : {}),
  }
}
