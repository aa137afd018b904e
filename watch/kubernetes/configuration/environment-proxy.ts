import { BlockList, isIP } from 'node:net'
import { KubeconfigError } from './kubeconfig-error.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The proxy that HTTPS_PROXY and NO_PROXY name for an https server, in capitals or not, as client-go's
 * http.ProxyFromEnvironment reads them; undefined: none. Throws KubeconfigError if it cannot be used.
 */
export function environmentProxy(server: URL, environment: Environment = process.env): URL | undefined {
  const text = server.protocol === 'https:' ? variable(environment, 'HTTPS_PROXY') : ''
  if (text === '' || isExcluded(server, variable(environment, 'NO_PROXY'))) return undefined
  const url = /^[a-z0-9+.-]+:\/\//i.test(text) ? text : `http://${text}`
  if (!URL.canParse(url) || new URL(url).protocol !== 'http:') {
    throw new KubeconfigError(`HTTPS_PROXY=${text} cannot be used; expected http://host:port`)
  }
  return new URL(url)
}

function variable(environment: Environment, name: string): string {
  return (environment[name] ?? environment[name.toLowerCase()] ?? '').trim()
}

/** NO_PROXY: addresses, networks and domains (with all below them), each with a port or for all; `*` is everything. */
function isExcluded(server: URL, list: string): boolean {
  const host = server.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const port = server.port === '' ? '443' : server.port
  if (host === 'localhost' || isWithin(host, '127.0.0.0/8') || host === '::1') return true
  return list.split(',').some((entry) => matches(entry.trim().toLowerCase(), host, port))
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '' || entry === '*') return entry === '*'
  if (entry.includes('/')) return isWithin(host, entry)
  const [, name = entry, wanted] =
    /^\[?([^[\]]*?)\]?(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry) ?? []
  if (wanted !== undefined && wanted !== port) return false
  if (isIP(name) > 0) return name === host
  const domain = name.replace(/^\*/, '')
  return host.endsWith(domain.startsWith('.') ? domain : `.${domain}`) || host === domain
}

function isWithin(host: string, network: string): boolean {
  const [address = '', bits = ''] = network.split('/')
  const family = isIP(host)
  if (family === 0 || isIP(address) !== family || !/^\d{1,3}$/.test(bits)) return false
  if (Number(bits) > (family === 4 ? 32 : 128)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(address, Number(bits), type)
  return list.check(host, type)
}
