import net from 'node:net'
import type { AddressSet } from './addresses.ts'

/** An address, with or without port and brackets; undefined if it is none. */
function addressIn(text: string): string | undefined {
  const bare = text.trim()
  if (net.isIP(bare) !== 0) return bare
  const inner = /^\[(.+)\](?::\d+)?$/.exec(bare)?.[1] ?? /^([\d.]+):\d+$/.exec(bare)?.[1]
  return inner !== undefined && net.isIP(inner) !== 0 ? inner : undefined
}

/**
 * The client a field such as X-Forwarded-For tells of: its last address; with `ours`, from the nearest hop outwards the first
 * that is not one of ours. undefined if there is no address.
 */
export function clientAddress(field: string, ours: AddressSet | undefined): string | undefined {
  let found: string | undefined
  for (const hop of field.split(',').reverse()) {
    found = addressIn(hop)
    if (found === undefined || ours?.has(found) !== true) break
  }
  return found
}
