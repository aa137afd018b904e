import { rmSync } from 'node:fs'
import { NftSocket, RouteSocket } from '#netlink'
import { footprintFile, loadFootprint, removeLeftovers } from './footprint.ts'
import { OverlayRules } from './rules.ts'

/**
 * Takes away what an overlay has made in this network namespace: devices with our alias (also one taken over from
 * flannel), routes that the footprint beside `subnetFile` tells of, the tables, and both files. Returns what was done.
 */
export function cleanUpOverlay(subnetFile: string): string[] {
  using routes = new RouteSocket()
  using nft = new NftSocket()
  const changes = removeLeftovers(routes, loadFootprint(footprintFile(subnetFile)), {})
  const rules = new OverlayRules(nft)
  for (const family of [4, 6] as const) {
    if (rules.remove(family)) changes.push(`remove rules for IPv${family}`)
  }
  for (const file of [subnetFile, footprintFile(subnetFile)]) rmSync(file, { force: true })
  return changes
}
