import ipaddr from 'ipaddr.js'
import type { Field } from './field.ts'

/**
 * The canonical text of an IP address ('10.0.0.1', 'fd00::1'), undefined if it is none. Leading zeros
 * of IPv4 parts are read as decimal, as the Kubernetes API does (CVE-2021-29923: reading them as octal
 * would send traffic elsewhere). IPv4-mapped IPv6 addresses become IPv4.
 */
export function canonicalAddress(text: string): string | undefined {
  const dotted = /^(\d{1,10})\.(\d{1,10})\.(\d{1,10})\.(\d{1,10})$/.exec(text)
  if (dotted !== null) {
    const parts = dotted.slice(1).map(Number)
    return parts.every((part) => part <= 255) ? parts.join('.') : undefined
  }
  if (!text.includes(':') || text.includes('%')) return undefined
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const tail = embedded === null ? undefined : canonicalAddress(embedded[2] ?? '')
  const whole = embedded === null ? text : `${embedded[1]}${tail}`
  if (!ipaddr.IPv6.isValid(whole)) return undefined
  const address = ipaddr.IPv6.parse(whole)
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String()
}

/** The canonical text of a network ('10.244.0.0/16'), host bits cleared; undefined if it is none. */
export function canonicalCIDR(text: string): string | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const address = canonicalAddress(text.slice(0, slash).trim())
  const length = text.slice(slash + 1).trim()
  if (address === undefined || !/^\d{1,3}$/.test(length)) return undefined
  const bits = Number(length)
  if (bits > (address.includes(':') ? 128 : 32)) return undefined
  const bytes = ipaddr.parse(address).toByteArray()
  for (let index = 0; index < bytes.length; index++) {
    const keep = Math.min(8, Math.max(0, bits - index * 8))
    bytes[index] = (bytes[index] ?? 0) & (0xff00 >> keep) & 0xff
  }
  const network = ipaddr.fromByteArray(bytes)
  return `${network instanceof ipaddr.IPv6 ? network.toRFC5952String() : network.toString()}/${bits}`
}

export function familyOf(address: string): 'IPv4' | 'IPv6' {
  return address.includes(':') ? 'IPv6' : 'IPv4'
}

/** Reads an address; '' when missing or empty. */
export function addressIn(field: Field): string {
  const text = field.string()
  if (text === '') return ''
  const address = canonicalAddress(text)
  if (address === undefined) field.expected('an IP address')
  return address ?? ''
}

/** Reads an address which has to be there. */
export function requiredAddressIn(field: Field): string {
  if (field.missing || field.value === '') {
    field.expected('an IP address')
    return ''
  }
  return addressIn(field)
}

/** Reads a network; '' when missing or empty. */
export function cidrIn(field: Field): string {
  const text = field.string()
  if (text === '') return ''
  const cidr = canonicalCIDR(text)
  if (cidr === undefined) field.expected('a network such as 10.244.0.0/16')
  return cidr ?? ''
}
