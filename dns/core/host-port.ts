import { addressFamily, canonicalAddress } from '../wire/index.ts'

/** Where a server listens. */
export interface HostPort {
  readonly address: string
  readonly port: number
}

/** 'IP', 'IP:PORT', '[IPv6]:PORT', each with '%SERVERNAME' after the address. */
export function parseHostPort(
  text: string,
  defaultPort: number,
): { at: HostPort; servername: string | undefined } | undefined {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text)
  let host = text
  let port: string | undefined
  if (bracketed !== null) {
    host = bracketed[1] ?? ''
    port = bracketed[2]
  } else if (addressFamily(text.replace(/%.*$/, '')) === undefined) {
    const colon = text.lastIndexOf(':')
    if (colon < 0) return undefined
    host = text.slice(0, colon)
    port = text.slice(colon + 1)
  }
  const [plain = '', zone] = host.split('%', 2)
  // '9.9.9.9%dns.quad9.net:853': the port stands after the name.
  const named = /^(.*[^:]):(\d{1,5})$/.exec(zone ?? '')
  const suffix = named?.[1] ?? zone
  port ??= named?.[2]
  if (addressFamily(plain) === undefined) return undefined
  const number = port === undefined ? defaultPort : /^\d{1,5}$/.test(port) ? Number(port) : 0
  if (number < 1 || number > 65_535) return undefined
  // fe80::1%eth0 has a zone index; 9.9.9.9%dns.quad9.net names the certificate.
  const scoped = plain.startsWith('fe80:') && suffix !== undefined
  return {
    at: { address: scoped ? `${plain}%${suffix}` : canonicalAddress(plain), port: number },
    servername: scoped ? undefined : suffix,
  }
}
