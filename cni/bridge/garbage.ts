import { RouteSocket } from '#netlink'
import { type AttachmentKey, findHostLink, parseAlias } from '../attachment.ts'
import type { Ipam } from '../ipam.ts'
import { publishedPods, withdrawPod } from '../nat/publish.ts'
import { readValidAttachments } from '../protocol/attachments.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall } from '../protocol/plugin.ts'
import { deleteLink } from './unwire.ts'

/**
 * GC: removes links, rules and leases of this network's attachments that the runtime does not list. Goes on after an
 * error and reports all of them in the end.
 */
export async function collectGarbage(call: CniCall, ipam: Ipam): Promise<void> {
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
  for (const { alias } of host.links()) {
    const key = alias === undefined ? undefined : parseAlias(alias)
    if (key === undefined || !isStale(key)) continue
    const link = findHostLink(host, key)
    if (link !== undefined) await attempt(() => deleteLink(host, link))
  }
  await attempt(async () => {
    for (const key of publishedPods()) if (isStale(key)) await attempt(() => withdrawPod(key, []))
  })
  await attempt(() => ipam.gc(isValid))
  if (problems.length === 0) return
  throw new CniError(cniCodes.internal, `GC: ${problems.map(({ message }) => message).join('; ')}`)
}
