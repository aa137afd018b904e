import { RouteSocket } from '#netlink'
import { type AttachmentKey, findHostLink } from '../attachment.ts'
import { hostRoutes } from '../host-routes.ts'
import { removeLinks } from '../link-removal.ts'

/**
 * Removes the veth pair of an attachment, from whichever end it can be reached, and returns the addresses the pod
 * had. Nothing being there, the namespace included, is fine.
 */
export async function unwirePod(key: AttachmentKey, netns: string): Promise<readonly string[]> {
  const host = hostRoutes()
  const link = findHostLink(host, key)
  const addresses = await lookAtPodEnd(netns, key.ifname, { remove: link === undefined })
  if (link !== undefined) await removeLinks(host, [link.index])
  return addresses
}

/** The pod's addresses. An interface whose host end is not ours to find is removed from inside. */
async function lookAtPodEnd(
  netns: string,
  ifname: string,
  { remove }: { remove: boolean },
): Promise<readonly string[]> {
  using pod = openIfAlive(netns)
  const link = pod?.link(ifname)
  if (pod === undefined || link === undefined) return []
  const addresses = pod
    .addresses({ index: link.index })
    .filter(({ scope }) => scope === 'global')
    .map(({ address }) => address)
  if (remove) await removeLinks(pod, [link.index], { netns })
  return addresses
}

/** A socket in a pod's namespace; undefined if that is gone, or was never given. */
export function openIfAlive(netns: string): RouteSocket | undefined {
  if (netns === '') return undefined
  try {
    return new RouteSocket({ netns })
  } catch (error) {
    // No such path, or a mount point whose namespace is gone (setns: EINVAL).
    const { code } = error as { code?: string }
    if (code === 'ENOENT' || code === 'EINVAL' || code === 'ENOTDIR') return undefined
    throw error
  }
}
