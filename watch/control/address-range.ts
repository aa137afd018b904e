import ipaddr from 'ipaddr.js'
import { canonicalCIDR } from '../objects/address.ts'
import type { IPFamily } from '../objects/meta.ts'

/** A service network that is none. */
export class ServiceCIDRError extends Error {
  readonly code = 'SERVICE_CIDR'

  constructor(text: string) {
    super(
      `serviceCIDR ${JSON.stringify(text)}: expected one network per address family, such as 10.96.0.0/12,fd00:96::/112`,
    )
    this.name = 'ServiceCIDRError'
  }
}

/** The addresses of a service network that may be given out. Slots count from 0. */
export interface AddressRange {
  readonly family: IPFamily
  readonly size: number
  addressOf(slot: number): string
  /** undefined for an address outside */
  slotOf(address: string): number | undefined
}

/**
 * Reads a comma list of networks, at most one per family. The low part is left to addresses people
 * choose (KEP-3070: min(max(16, size/16), 256)), so that e.g. 10.96.0.10 stays free for DNS.
 */
export function addressRanges(list: string): AddressRange[] {
  const ranges = list.split(',').map((text) => addressRange(text.trim(), list))
  if (new Set(ranges.map(({ family }) => family)).size !== ranges.length) throw new ServiceCIDRError(list)
  return ranges
}

function addressRange(text: string, list: string): AddressRange {
  const cidr = canonicalCIDR(text)
  if (cidr === undefined) throw new ServiceCIDRError(list)
  const [network, length] = ipaddr.parseCIDR(cidr)
  const base = toBigInt(network.toByteArray())
  const bits = network.kind() === 'ipv6' ? 128 : 32
  // More than 2^20 addresses are never needed; Kubernetes limits IPv6 service networks alike.
  const total = 2 ** Math.min(20, bits - length)
  const low = total < 32 ? 1 : Math.min(Math.max(16, total / 16), 256)
  const size = total - low - 1
  if (size < 1) throw new ServiceCIDRError(list)
  const width = bits / 8
  return {
    family: bits === 128 ? 'IPv6' : 'IPv4',
    size,
    addressOf: (slot) => {
      const address = ipaddr.fromByteArray(toBytes(base + BigInt(low + slot), width))
      return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString()
    },
    slotOf: (address) => {
      const bytes = ipaddr.parse(address).toByteArray()
      const offset = toBigInt(bytes) - base - BigInt(low)
      return bytes.length === width && offset >= 0n && offset < BigInt(size) ? Number(offset) : undefined
    },
  }
}

function toBigInt(bytes: readonly number[]): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

function toBytes(value: bigint, width: number): number[] {
  return Array.from({ length: width }, (_, index) =>
    Number((value >> BigInt(8 * (width - 1 - index))) & 0xffn),
  )
}
