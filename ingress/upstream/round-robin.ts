import type { Server } from './nodes.ts'

/** nginx's smooth weighted round robin: shares exact over a cycle, and never a burst to the heavy server. */
export function pickRoundRobin(servers: readonly Server[]): Server | undefined {
  let best: Server | undefined
  let total = 0
  for (const server of servers) {
    if (server.weight === 0) continue
    server.current += server.weight
    total += server.weight
    if (best === undefined || server.current > best.current) best = server
  }
  if (best !== undefined) best.current -= total
  return best
}
