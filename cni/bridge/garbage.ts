import { setTimeout as sleep } from 'node:timers/promises'
import { type Link, RouteSocket } from '#netlink'
import { type AttachmentKey, aliasOf, isNascent, longestAlias, parseAlias } from '../attachment.ts'
import type { Ipam } from '../ipam.ts'
import { removeLinks } from '../link-removal.ts'
import { RememberedPods } from '../nat/remembered.ts'
import { withdrawStalePods } from '../nat/stale.ts'
import { readValidAttachments } from '../protocol/attachments.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall } from '../protocol/plugin.ts'
import { endStaleSpoofChecks } from './spoof-check.ts'

/**
 * GC: removes links, rules and leases of this network's attachments that the runtime does not list. Goes on after an
 * error and reports all of them in the end.
 */
export async function collectGarbage(call: CniCall, ipam: Ipam, bridge?: string): Promise<void> {
  const isValid = readValidAttachments(call.conf.fields)
  const isStale = (key: AttachmentKey): boolean => key.network === call.conf.name && !isValid(key)
  const problems: Error[] = []
  const attempt = async (body: () => unknown): Promise<void> => {
    try {
      await body()
    } catch (error) {
      problems.push(error instanceof Error ? error : new Error(String(error)))
    }
  }
  using host = new RouteSocket()
  const stale = new Set(bridge === undefined ? [] : await abandonedLinks(host, bridge))
  for (const { index, alias = '', kind } of host.links()) {
    const key = parseAlias(alias)
    // An alias that was cut off tells no owner.
    if (key === undefined || alias !== aliasOf(key) || alias.length === longestAlias || !isStale(key))
      continue
    if (kind === 'veth' || kind === 'ifb') stale.add(index)
  }
  await attempt(() => removeLinks(host, [...stale]))
  await attempt(() => withdrawStalePods(RememberedPods.of(call), isStale))
  await attempt(() => endStaleSpoofChecks(isStale))
  await attempt(() => ipam.gc(isValid))
  if (problems.length === 0) return
  throw new CniError(cniCodes.internal, `GC: ${problems.map(({ message }) => message).join('; ')}`)
}

/** Ports whose ADD was killed before it had named them. One that is being born right now has its name soon. */
async function abandonedLinks(host: RouteSocket, bridge: string): Promise<number[]> {
  const nameless = (): Link[] => {
    const master = host.link(bridge)?.index
    return master === undefined
      ? []
      : host.links().filter((link) => link.master === master && isNascent(link))
  }
  const before = nameless()
  if (before.length === 0) return []
  await sleep(250)
  const still = new Set(nameless().map(({ index }) => index))
  return before.map(({ index }) => index).filter((index) => still.has(index))
}
