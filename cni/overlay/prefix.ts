import { formatAddress, maskBytes, parsePrefix } from '#netlink'

/** Text of a network with its host bits cleared: '10.244.1.7/24' is '10.244.1.0/24'. */
export function networkText(cidr: string): string {
  const { bytes, length } = parsePrefix(cidr)
  return `${formatAddress(maskBytes(bytes, length))}/${length}`
}

/** The network's own address: '10.244.1.0' of '10.244.1.0/24'. */
export function networkAddress(cidr: string): string {
  const { bytes, length } = parsePrefix(cidr)
  return formatAddress(maskBytes(bytes, length))
}

/** The first usable address of a network, with its length: '10.244.1.1/24'. */
export function firstAddress(cidr: string): string {
  const { bytes, length } = parsePrefix(cidr)
  const first = maskBytes(bytes, length)
  const last = first.length - 1
  first[last] = (first[last] ?? 0) | 1
  return `${formatAddress(first)}/${length}`
}

export function familyOfPrefix(cidr: string): 4 | 6 {
  return parsePrefix(cidr).family
}

/** Does `outer` hold all of `inner` (a CIDR or an address)? */
export function contains(outer: string, inner: string): boolean {
  const a = parsePrefix(outer)
  const b = parsePrefix(inner)
  if (a.family !== b.family || a.length > b.length) return false
  return Buffer.compare(maskBytes(a.bytes, a.length), maskBytes(b.bytes, a.length)) === 0
}

export function overlaps(a: string, b: string): boolean {
  return contains(a, b) || contains(b, a)
}
