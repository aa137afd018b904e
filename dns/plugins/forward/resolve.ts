import { Resolver } from 'node:dns/promises'
import type { HostPort } from '../../core/host-port.ts'
import type { UpstreamAddress } from './options.ts'

const timeoutMs = 2000

/** Puts the addresses of names in their place. `missing` are those that have none now. */
export async function resolveUpstreams(
  to: readonly UpstreamAddress[],
  resolvers: readonly HostPort[],
): Promise<{ addresses: UpstreamAddress[]; missing: string[] }> {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 })
  if (resolvers.length > 0)
    resolver.setServers(
      resolvers.map(({ address, port }) =>
        address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
      ),
    )
  const missing: string[] = []
  const found = await Promise.all(
    to.map(async (upstream): Promise<UpstreamAddress[]> => {
      const { host, ...rest } = upstream
      if (host === undefined) return [upstream]
      const families = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
      const addresses = families.flatMap((family) => (family.status === 'fulfilled' ? family.value : []))
      if (addresses.length === 0) missing.push(host)
      return addresses.map((address) => ({ ...rest, address }))
    }),
  )
  return { addresses: found.flat(), missing }
}
