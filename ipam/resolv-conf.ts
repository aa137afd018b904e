import { readFileSync } from 'node:fs'
import { IpamError } from './errors.ts'

/** DNS settings of a CNI result. */
export interface DnsSettings {
  nameservers?: string[] | undefined
  domain?: string | undefined
  search?: string[] | undefined
  options?: string[] | undefined
}

/** Reads a resolv.conf file (resolv.conf(5)) into DNS settings. */
export function readResolvConf(path: string): DnsSettings {
  try {
    return parseResolvConf(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new IpamError('IPAM_STORE', `open ${path}: ${(error as NodeJS.ErrnoException).code ?? error}`, {
      cause: error,
    })
  }
}

export function parseResolvConf(text: string): DnsSettings {
  const dns: DnsSettings = {}
  for (const line of text.split('\n')) {
    const [keyword = '', ...values] = line.trim().split(/\s+/)
    const [first] = values
    if (first === undefined || /^[#;]/.test(keyword)) continue
    if (keyword === 'nameserver') (dns.nameservers ??= []).push(first)
    else if (keyword === 'domain') dns.domain = first
    else if (keyword === 'search') (dns.search ??= []).push(...values)
    else if (keyword === 'options') (dns.options ??= []).push(...values)
  }
  return dns
}
