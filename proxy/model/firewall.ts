import type { Service } from '#watch'
import { type Bytes, type Family, familyOf, packAddress, packRange } from './bytes.ts'
import type { Problem } from './frontends.ts'

export interface AddressRange {
  readonly first: Bytes
  readonly last: Bytes
}

/**
 * Who may reach a load balancer VIP: loadBalancerSourceRanges of the family, as disjoint ranges (the kernel refuses
 * overlapping ones), or undefined if everybody may. A range that holds one of the node's own addresses lets the VIP itself in:
 * the node's own packets to its VIP may carry it as source.
 */
export function allowedSources(
  service: Service,
  vip: Bytes,
  options: { family: Family; nodeAddresses: readonly string[]; problems: Problem[] },
): AddressRange[] | undefined {
  const { family, nodeAddresses, problems } = options
  const ranges: AddressRange[] = []
  service.spec.loadBalancerSourceRanges.forEach((text, index) => {
    const cidr = text.trim()
    if (familyOf(cidr) !== family) return
    const range = packRange(cidr, family)
    if (range === undefined)
      problems.push({ field: `spec.loadBalancerSourceRanges[${index}]`, message: `"${text}" is not a CIDR` })
    else ranges.push(range)
  })
  if (ranges.length === 0) return undefined
  const own = nodeAddresses
    .map((address) => packAddress(address, family))
    .filter((packed) => packed !== undefined)
  if (own.some((address) => ranges.some((range) => holds(range, address))))
    ranges.push({ first: vip, last: vip })
  return withoutNested(ranges)
}

/** CIDRs are nested or disjoint, so dropping the nested ones is enough. */
function withoutNested(ranges: readonly AddressRange[]): AddressRange[] {
  const sorted = [...ranges].sort((a, b) => compare(a.first, b.first) || compare(b.last, a.last))
  const kept: AddressRange[] = []
  for (const range of sorted) {
    const previous = kept.at(-1)
    if (previous === undefined || range.first > previous.last) kept.push(range)
  }
  return kept
}

function holds(range: AddressRange, address: Bytes): boolean {
  return address >= range.first && address <= range.last
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
