import type { Server } from './nodes.ts'

/** A new server gets at least this share of its weight, so that it warms up at all. */
const FIRST_SHARE = 0.1

/**
 * The share of its weight a server counts with: from a tenth up to all of it while it is new, growing evenly. 1 for servers
 * that were there from the start.
 */
export function warmth(server: Server, slowStartMs: number, now: number): number {
  if (slowStartMs <= 0) return 1
  const age = (now - server.since) / slowStartMs
  return age >= 1 ? 1 : Math.max(FIRST_SHARE, age)
}
