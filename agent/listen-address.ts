/** Splits `host:port`, `[v6]:port` or `:port` (all addresses). */
export function parseListenAddress(address: string): { host: string; port: number } {
  const separator = address.lastIndexOf(':')
  const host = address.slice(0, separator).replace(/^\[(.*)\]$/, '$1')
  return { host: host === '' ? '::' : host, port: Number(address.slice(separator + 1)) }
}
