import type { Server } from './nodes.ts'
import { warmth } from './slow-start.ts'

const DECAY_MS = 10_000

/** The server with the fewest requests under way for its weight; among equals the one that waited longest. */
export function pickLeastConnections(servers: readonly Server[], slowStartMs = 0): Server | undefined {
  let best: Server | undefined
  const now = slowStartMs === 0 ? 0 : performance.now()
  let bestLoad = Number.POSITIVE_INFINITY
  for (const server of servers) {
    if (server.weight === 0) continue
    const load = (1 + server.active) / (server.weight * warmth(server, slowStartMs, now))
    if (load > bestLoad || (load === bestLoad && best !== undefined && server.current >= best.current))
      continue
    best = server
    bestLoad = load
  }
  if (best !== undefined) best.current = ++turn
  return best
}

let turn = 0

/** Two servers by chance, of which the one that has been answering faster. */
export function pickEwma(servers: readonly Server[], now: number): Server | undefined {
  const candidates = servers.filter((server) => server.weight > 0)
  const at = Math.floor(Math.random() * candidates.length)
  const first = candidates[at]
  if (candidates.length < 2) return first
  const other = (at + 1 + Math.floor(Math.random() * (candidates.length - 1))) % candidates.length
  const second = candidates[other]
  if (first === undefined || second === undefined) return first ?? second
  return decayed(first, now) <= decayed(second, now) ? first : second
}

function decayed(server: Server, now: number): number {
  return server.ewma * Math.exp(-(now - server.ewmaAt) / DECAY_MS)
}

/** Takes a response time into a server's moving average; an old average counts less the older it is. */
export function observe(server: Server, ms: number, now: number): void {
  const weight = Math.exp(-(now - server.ewmaAt) / DECAY_MS)
  server.ewma = server.ewma * weight + ms * (1 - weight)
  server.ewmaAt = now
}
