import type { Server } from './nodes.ts'
import { warmth } from './slow-start.ts'

/** nginx's smooth weighted round robin: shares exact over a cycle, and never a burst to the heavy server. */
export function pickRoundRobin(servers: readonly Server[], slowStartMs = 0): Server | undefined {
  let best: Server | undefined
  let total = 0
  const now = slowStartMs === 0 ? 0 : performance.now()
  for (const server of servers) {
    if (server.weight === 0) continue
    const weight = slowStartMs === 0 ? server.weight : server.weight * warmth(server, slowStartMs, now)
    server.current += weight
    total += weight
    if (best === undefined || server.current > best.current) best = server
  }
  if (best !== undefined) best.current -= total
  return best
}
