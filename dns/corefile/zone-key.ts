import { CorefileError, type Position } from '../errors.ts'
import { parseAddress } from '../wire/address.ts'
import { canonicalName, isName } from '../wire/name.ts'

export type Scheme = 'dns' | 'tls' | 'quic' | 'grpc' | 'https' | 'https3'

const schemePorts: Readonly<Record<Scheme, number>> = {
  dns: 53,
  tls: 853,
  quic: 853,
  grpc: 443,
  https: 443,
  https3: 443,
}

/** What one key of a server block asks for. A CIDR key may stand for several zones. */
export interface ZoneKey {
  readonly scheme: Scheme
  readonly zones: readonly string[]
  readonly port: number
}

/** Reads `[scheme://]zone[:port]`. `defaultPort` counts for keys of scheme dns without a port. Throws CorefileError. */
export function parseZoneKey(key: string, at: Position, defaultPort: number): ZoneKey {
  const fail = (why: string): CorefileError =>
    new CorefileError('DNS_COREFILE_KEY', at, `server block key '${key}': ${why}`)
  const split = /^([a-z0-9]+):\/\/(.*)$/s.exec(key)
  const scheme = split?.[1] ?? 'dns'
  if (!isScheme(scheme))
    throw fail(`'${scheme}' is no scheme; known are ${Object.keys(schemePorts).join(', ')}`)
  let zone = split?.[2] ?? key
  let port = scheme === 'dns' ? defaultPort : schemePorts[scheme]
  const lastColon = zone.lastIndexOf(':')
  const tail = zone.slice(lastColon + 1)
  // '2001:db8::/32' has colons of its own; its port would stand after the mask.
  const colonIsPort = lastColon >= 0 && (!zone.includes('/') || zone.lastIndexOf('/') < lastColon)
  if (colonIsPort) {
    if (tail === '') throw fail("':' must be followed by a port")
    if (!/^\d{1,5}$/.test(tail) || Number(tail) < 1 || Number(tail) > 65535)
      throw fail(`'${tail}' is no port (1-65535)`)
    port = Number(tail)
    zone = zone.slice(0, lastColon)
  }
  if (zone === '') zone = '.'
  const zones = normalizeZone(zone)
  if (zones === undefined) throw fail(`'${zone}' is no domain name`)
  return { scheme, zones, port }
}

function isScheme(scheme: string): scheme is Scheme {
  return Object.hasOwn(schemePorts, scheme)
}

/** A zone name or CIDR as zones: lower case, qualified; undefined if it is neither. */
export function normalizeZone(text: string): string[] | undefined {
  const reverse = reverseZones(text)
  if (reverse !== undefined) return reverse
  const zone = canonicalName(text)
  return zone.length <= 255 && isName(zone) ? [zone] : undefined
}

/** '10.0.0.0/15' gives ['0.10.in-addr.arpa.', '1.10.in-addr.arpa.']; undefined for text that is no CIDR. */
export function reverseZones(cidr: string): string[] | undefined {
  const slash = cidr.indexOf('/')
  if (slash < 0 || !/^\d{1,3}$/.test(cidr.slice(slash + 1))) return undefined
  const octets = parseAddress(cidr.slice(0, slash))
  const bits = Number(cidr.slice(slash + 1))
  if (octets === undefined || bits > octets.length * 8) return undefined
  const v4 = octets.length === 4
  const unit = v4 ? 8 : 4
  const digits = v4 ? [...octets] : [...octets].flatMap((octet) => [octet >> 4, octet & 15])
  const whole = Math.floor(bits / unit)
  const rest = bits % unit
  const suffix = v4 ? 'in-addr.arpa.' : 'ip6.arpa.'
  const name = (parts: readonly number[]): string =>
    [...parts.map((part) => part.toString(v4 ? 10 : 16)).reverse(), suffix].join('.')
  const head = digits.slice(0, whole)
  if (rest === 0) return [name(head)]
  const count = 2 ** (unit - rest)
  const first = (digits[whole] as number) & ~(count - 1)
  return Array.from({ length: count }, (_, i) => name([...head, first + i]))
}
