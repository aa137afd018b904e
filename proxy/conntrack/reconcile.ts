import { type ConntrackEntry, type ConntrackFilter, type ConntrackSocket, formatAddress } from '#netlink'
import { type Family, toBuffer } from '../model/bytes.ts'
import type { FrontendKey } from '../model/service-rules.ts'

const UDP = 17
/** Up to so many frontends the kernel is asked for the connections of each, above for all UDP connections at once. */
const SEPARATE_DUMPS = 4

export type ConntrackTable = Pick<ConntrackSocket, 'entries' | 'delete' | 'close'>

export interface StaleConnections {
  readonly family: Family
  /** frontends whose endpoints changed */
  readonly frontends: ReadonlySet<FrontendKey>
  /** the node's own addresses: connections to them and a node port are ours even if nothing translated them */
  readonly nodeAddresses: readonly string[]
  /** `address port` of the endpoints that still serve a frontend; empty if the frontend is gone */
  serving(frontend: FrontendKey): ReadonlySet<string>
}

/**
 * Deletes UDP connections through a Service which lead to an endpoint that does not serve it any more, or past it: a
 * client that keeps its port would be sent there for as long as it sends. TCP ends by itself and is left alone.
 * Returns how many were deleted.
 */
export function deleteStaleConnections(conntrack: ConntrackTable, stale: StaleConnections): number {
  const targets = [...stale.frontends].map((key) => ({ ...parseFrontend(key, stale.family), key }))
  const byAddress = new Map(targets.map(({ address, port, key }) => [`${address ?? '*'} ${port}`, key]))
  let deleted = 0
  for (const entry of connections(conntrack, stale.family, targets)) {
    const key = frontendOf(entry, { byAddress, nodeAddresses: stale.nodeAddresses })
    if (key === undefined) continue
    const { source, sourcePort } = entry.reply
    if (!stale.serving(key).has(`${source} ${sourcePort}`) && conntrack.delete(entry)) deleted++
  }
  return deleted
}

function connections(
  conntrack: ConntrackTable,
  family: Family,
  targets: readonly { address: string | undefined; port: number }[],
): ConntrackEntry[] {
  const all: ConntrackFilter = { family, protocol: UDP }
  if (targets.length > SEPARATE_DUMPS) return conntrack.entries(all)
  return targets.flatMap(({ address, port }) =>
    conntrack.entries({ ...all, destination: address, destinationPort: port }),
  )
}

/** A node port is matched by number only if it was ours: translated, or to this node. Others' traffic to that port stays. */
function frontendOf(
  { original, destinationNat }: ConntrackEntry,
  known: { byAddress: ReadonlyMap<string, FrontendKey>; nodeAddresses: readonly string[] },
): FrontendKey | undefined {
  const direct = known.byAddress.get(`${original.destination} ${original.destinationPort}`)
  if (direct !== undefined) return direct
  const isOurs = destinationNat || known.nodeAddresses.includes(original.destination)
  return isOurs ? known.byAddress.get(`* ${original.destinationPort}`) : undefined
}

/** Address (none for a node port) and port of a frontend. */
export function parseFrontend(
  key: FrontendKey,
  family: Family,
): { address: string | undefined; port: number } {
  const length = key.length === 8 ? 0 : family === 4 ? 4 : 16
  const port = (key.charCodeAt(length + 4) << 8) | key.charCodeAt(length + 5)
  return { address: length === 0 ? undefined : formatAddress(toBuffer(key.slice(0, length))), port }
}
