import { type Link, RouteSocket } from '#netlink'
import { type AttachmentKey, aliasOf, findHostLink, parseAlias } from '../attachment.ts'
import { hostRoutes } from '../host-routes.ts'
import { removeLinks } from '../link-removal.ts'

/**
 * Removes the veth pair of an attachment, from whichever end it can be reached, and returns the addresses the pod
 * had. Nothing being there, the namespace included, is fine.
 */
export async function unwirePod(key: AttachmentKey, netns: string): Promise<readonly string[]> {
  const host = hostRoutes()
  const link = findHostLink(host, key)
  const addresses = await lookAtPodEnd(key, netns, { host, remove: link === undefined })
  if (link !== undefined) await removeLinks(host, [link.index])
  return addresses
}

/**
 * The pod's addresses. An interface whose host end is not ours to find is removed from inside, unless that says that it is
 * another attachment's: the ADD of this one may have failed because of that very interface.
 */
async function lookAtPodEnd(
  key: AttachmentKey,
  netns: string,
  { host, remove }: { host: RouteSocket; remove: boolean },
): Promise<readonly string[]> {
  using pod = openIfAlive(netns)
  const link = pod?.link(key.ifname)
  if (pod === undefined || link === undefined || (remove && isOfAnother(key, host, link))) return []
  const addresses = pod
    .addresses({ index: link.index })
    .filter(({ scope }) => scope === 'global')
    .map(({ address }) => address)
  if (remove) await removeLinks(pod, [link.index], { netns })
  return addresses
}

function isOfAnother(key: AttachmentKey, host: RouteSocket, { index, peerIndex }: Link): boolean {
  const peer = peerIndex === undefined ? undefined : host.link(peerIndex)
  if (peer?.alias === undefined || peer.peerIndex !== index) return false
  return parseAlias(peer.alias) !== undefined && peer.alias !== aliasOf(key)
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
