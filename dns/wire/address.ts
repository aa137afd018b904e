/** IP addresses as octets, as text, and as names of the reverse zones. */

/** The four octets of a dotted quad, or undefined. */
export function parseIPv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const octets = new Uint8Array(4)
  for (let i = 0; i < 4; i += 1) {
    const part = parts[i] as string
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    octets[i] = Number(part)
  }
  return octets
}

/** The sixteen octets of an IPv6 address (RFC 4291 §2.2, without zone index), or undefined. */
export function parseIPv6(text: string): Uint8Array | undefined {
  let body = text
  const lastColon = text.lastIndexOf(':')
  if (lastColon < 0) return undefined
  if (text.includes('.')) {
    const v4 = parseIPv4(text.slice(lastColon + 1))
    if (v4 === undefined) return undefined
    const [a = 0, b = 0, c = 0, d = 0] = v4
    body = `${text.slice(0, lastColon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  }
  const halves = body.split('::')
  if (halves.length > 2) return undefined
  const groups = (part: string | undefined): string[] =>
    part === undefined || part === '' ? [] : part.split(':')
  const head = groups(halves[0])
  const tail = groups(halves[1])
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const all = [...head, ...Array<string>(missing).fill('0'), ...tail]
  const octets = new Uint8Array(16)
  for (let i = 0; i < 8; i += 1) {
    const group = all[i] as string
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined
    const value = Number.parseInt(group, 16)
    octets[2 * i] = value >> 8
    octets[2 * i + 1] = value & 255
  }
  return octets
}

/** 4 or 6, or undefined for text that is no address. */
export function addressFamily(text: string): 4 | 6 | undefined {
  if (text.includes(':')) return parseIPv6(text) === undefined ? undefined : 6
  return parseIPv4(text) === undefined ? undefined : 4
}

/** Octets of either family, or undefined. */
export function parseAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIPv6(text) : parseIPv4(text)
}

/** Text of 4 or 16 octets; IPv6 in RFC 5952 form. */
export function formatAddress(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.')
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((octets[2 * i] as number) << 8) | (octets[2 * i + 1] as number),
  )
  let bestStart = -1
  let bestLength = 1
  for (let i = 0; i < 8; i += 1) {
    let end = i
    while (end < 8 && groups[end] === 0) end += 1
    if (end - i > bestLength) {
      bestStart = i
      bestLength = end - i
    }
    if (end > i) i = end
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  if (bestStart < 0) {
    return hex(groups)
  }
  return `${hex(groups.slice(0, bestStart))}::${hex(groups.slice(bestStart + bestLength))}`
}

/** The same address always as the same text ('::1' for '0:0:0:0:0:0:0:1'); text that is no address stays. */
export function canonicalAddress(text: string): string {
  if (!text.includes(':')) return text
  const octets = parseIPv6(text)
  return octets === undefined ? text : formatAddress(octets)
}

/** '10.0.0.1' gives '1.0.0.10.in-addr.arpa.'; IPv6 likewise under ip6.arpa. Undefined for text that is no address. */
export function reverseName(address: string): string | undefined {
  const octets = parseAddress(address)
  if (octets === undefined) return undefined
  if (octets.length === 4) return `${[...octets].reverse().join('.')}.in-addr.arpa.`
  const nibbles = [...octets].flatMap((octet) => [(octet >> 4).toString(16), (octet & 15).toString(16)])
  return `${nibbles.reverse().join('.')}.ip6.arpa.`
}

/** True for a name at or under in-addr.arpa. or ip6.arpa. */
export function isReverseName(name: string): boolean {
  return /(^|\.)(in-addr|ip6)\.arpa\.$/.test(name)
}

/** The address that a complete reverse name stands for (canonical text), or undefined. */
export function addressOfReverse(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa.')) {
    const text = name.slice(0, -14).split('.').reverse().join('.')
    return parseIPv4(text) === undefined ? undefined : text
  }
  if (!name.endsWith('.ip6.arpa.')) return undefined
  const nibbles = name.slice(0, -10).split('.')
  if (nibbles.length !== 32 || nibbles.some((nibble) => !/^[0-9a-f]$/i.test(nibble))) return undefined
  const digits = nibbles.reverse().join('')
  return formatAddress(
    Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)),
  )
}
