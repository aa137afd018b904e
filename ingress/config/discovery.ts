import { readFileSync } from 'node:fs'
import { DNS_ORDER, type DnsDiscoverySettings, type DnsRecordType } from '../upstream/index.ts'
import type { Section } from './section.ts'

/** `discovery.dns`: the servers asked, or the file that names them, and the order of what they are asked for. */
export function dnsDiscovery(dns: Section): DnsDiscoverySettings {
  const file = dns.string('resolv_conf')
  const servers = dns.strings('servers') ?? (file === undefined ? [] : nameservers(dns, file))
  const order = dns.strings('order')
  if (order === undefined) return { servers }
  const wrong = order.find((one) => !DNS_ORDER.includes(one as DnsRecordType))
  if (wrong !== undefined) throw dns.error('order', `${wrong} is none of ${DNS_ORDER.join(', ')}`)
  if (new Set(order).size < order.length) throw dns.error('order', 'names something twice')
  return { servers, order: order as DnsRecordType[] }
}

function nameservers(dns: Section, file: string): string[] {
  try {
    const text = readFileSync(file, 'utf8')
    return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = '']) => address)
  } catch (cause) {
    throw dns.error('resolv_conf', cause instanceof Error ? cause.message : String(cause))
  }
}
