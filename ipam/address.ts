import { isIPv4, isIPv6 } from 'node:net'

/** An address as a number, which is what ranges are compared and counted in. */
export interface IpAddress {
  readonly family: 4 | 6
  readonly value: bigint
}

/** A network as written: the address may have host bits set, `networkOf` masks them. */
export interface Subnet {
  readonly address: IpAddress
  readonly prefix: number
}

/** Parses an address; undefined if it is none. IPv4-mapped IPv6 counts as IPv4, as in Go's net package. */
export function parseAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) return { family: 4, value: parseDotted(text) }
  if (!isIPv6(text) || text.includes('%')) return undefined
  const [head = '', tail] = text.split('::')
  const left = parseGroups(head)
  const right = tail === undefined ? [] : parseGroups(tail)
  const groups = [...left, ...Array<bigint>(8 - left.length - right.length).fill(0n), ...right]
  const value = groups.reduce((sum, group) => (sum << 16n) | group, 0n)
  return value >> 32n === 0xffffn ? { family: 4, value: value & 0xffffffffn } : { family: 6, value }
}

/** The canonical text, RFC 5952 for IPv6; it is the name of a lease file. */
export function formatAddress({ family, value }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.')
  const groups = Array.from({ length: 8 }, (_, index) =>
    Number((value >> BigInt(112 - 16 * index)) & 0xffffn),
  )
  let bestStart = 0
  let bestLength = 1
  for (let start = 0; start < 8; start += 1) {
    let length = 0
    while (groups[start + length] === 0) length += 1
    if (length > bestLength) [bestStart, bestLength] = [start, length]
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':')
  if (bestLength === 1) return hex(groups)
  return `${hex(groups.slice(0, bestStart))}::${hex(groups.slice(bestStart + bestLength))}`
}

/** Parses "address/prefix"; undefined if it is not of that form. */
export function parseSubnet(text: string): Subnet | undefined {
  const [addressText = '', prefixText = '', more] = text.split('/')
  const address = parseAddress(addressText)
  if (address === undefined || more !== undefined || !/^(0|[1-9]\d{0,2})$/.test(prefixText)) return undefined
  const prefix = Number(prefixText)
  return prefix <= widthOf(address.family) ? { address, prefix } : undefined
}

export function formatSubnet({ address, prefix }: Subnet): string {
  return `${formatAddress(address)}/${prefix}`
}

/** The network's own (lowest) address. */
export function networkOf({ address, prefix }: Subnet): IpAddress {
  const hostBits = BigInt(widthOf(address.family) - prefix)
  return { family: address.family, value: (address.value >> hostBits) << hostBits }
}

/** The network's highest address, the broadcast address of IPv4. */
export function lastOf(subnet: Subnet): IpAddress {
  const { family, value } = networkOf(subnet)
  return { family, value: value | ((1n << BigInt(widthOf(family) - subnet.prefix)) - 1n) }
}

export function subnetContains(subnet: Subnet, address: IpAddress): boolean {
  if (subnet.address.family !== address.family) return false
  return networkOf(subnet).value <= address.value && address.value <= lastOf(subnet).value
}

export function nextAddress({ family, value }: IpAddress): IpAddress {
  return { family, value: value + 1n }
}

export function sameAddress(a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && a.value === b.value
}

function widthOf(family: 4 | 6): number {
  return family === 4 ? 32 : 128
}

function parseDotted(text: string): bigint {
  return text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
}

function parseGroups(text: string): bigint[] {
  if (text === '') return []
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [BigInt(`0x${part}`)]
    const dotted = parseDotted(part)
    return [dotted >> 16n, dotted & 0xffffn]
  })
}
