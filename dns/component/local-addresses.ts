import { networkInterfaces } from 'node:os'

/**
 * Addresses of this network namespace on which queries may come in. Link-local IPv6 addresses carry their interface
 * ('fe80::1%eth0'), as bind needs it.
 */
export function localAddresses(): string[] {
  const found: string[] = []
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { address, family, scopeid } of addresses ?? []) {
      found.push(family === 'IPv6' && scopeid !== undefined && scopeid !== 0 ? `${address}%${name}` : address)
    }
  }
  return [...new Set(found)]
}

/** The addresses of one interface, or undefined if there is none of that name. */
export function addressesOfInterface(name: string): string[] | undefined {
  const addresses = networkInterfaces()[name]
  if (addresses === undefined) return undefined
  return addresses.map(({ address, scopeid }) =>
    scopeid !== undefined && scopeid !== 0 ? `${address}%${name}` : address,
  )
}
