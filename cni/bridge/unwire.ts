import { isNotFound, type Link, NetlinkError, RouteSocket } from '#netlink'
import { type AttachmentKey, findHostLink } from '../attachment.ts'

/**
 * Removes the veth pair of an attachment, from whichever end it can be reached, and returns the addresses the pod
 * had. Nothing being there, the namespace included, is fine.
 */
export function unwirePod(key: AttachmentKey, netns: string): readonly string[] {
  const addresses = netns === '' ? [] : removePodEnd(netns, key.ifname)
  using host = new RouteSocket()
  const link = findHostLink(host, key)
  if (link !== undefined) deleteLink(host, link)
  return addresses
}

function removePodEnd(netns: string, ifname: string): readonly string[] {
  let pod: RouteSocket
  try {
    pod = new RouteSocket({ netns })
  } catch (error) {
    // No such path, or a mount point whose namespace is gone (setns: EINVAL).
    const { code } = error as { code?: string }
    if (code === 'ENOENT' || code === 'EINVAL' || code === 'ENOTDIR') return []
    throw error
  }
  using socket = pod
  const link = socket.link(ifname)
  if (link === undefined) return []
  const addresses = socket
    .addresses({ index: link.index })
    .filter(({ scope }) => scope === 'global')
    .map(({ address }) => address)
  deleteLink(socket, link)
  return addresses
}

/** Deletes a link that may go away by itself at the same time. */
export function deleteLink(socket: RouteSocket, link: Link): void {
  try {
    socket.deleteLink(link.index)
  } catch (error) {
    if (!isNotFound(error) && !(error instanceof NetlinkError && error.code === 'EINVAL')) throw error
  }
}
