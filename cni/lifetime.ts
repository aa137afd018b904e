import { existsSync } from 'node:fs'
import type { OwnerRecord } from '#ipam'
import { RouteSocket } from '#netlink'
import { findHostLink } from './attachment.ts'

/**
 * True if a lease's owner certainly is no more: its namespace's path is gone, and so is the host's end of its veth
 * pair, which the kernel keeps as long as the namespace lives.
 */
export function isOwnerDead(network: string, { containerID, ifname, evidence }: OwnerRecord): boolean {
  const netns = evidence?.detail?.['netns']
  if (netns === undefined || existsSync(netns)) return false
  using host = new RouteSocket()
  return findHostLink(host, { network, containerID, ifname }) === undefined
}
