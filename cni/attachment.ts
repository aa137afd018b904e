import { createHash } from 'node:crypto'
import type { Link, RouteSocket } from '#netlink'

/** What an attachment is known by everywhere: leases, link aliases, comments in nftables. */
export interface AttachmentKey {
  readonly network: string
  readonly containerID: string
  readonly ifname: string
}

/** Names tried when another attachment's veth has the wanted one (the name holds 32 bits of a hash). */
const attempts = 8

/** IFALIASZ of linux/if.h, without the final NUL. */
export const longestAlias = 255

/** IFLA_IFALIAS of the host's end of a veth pair: to whom it belongs, for people and for DEL. */
export function aliasOf({ network, containerID, ifname }: AttachmentKey): string {
  return `${network}/${containerID}/${ifname}`.slice(0, longestAlias)
}

export function parseAlias(alias: string): AttachmentKey | undefined {
  const [network, containerID, ifname, more] = alias.split('/')
  if (network === undefined || containerID === undefined || ifname === undefined || more !== undefined)
    return undefined
  return { network, containerID, ifname }
}

/** Host interface names of an attachment, in the order they are tried. */
function* hostNames(key: AttachmentKey): Generator<string> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const seed = `${attempt}\0${key.network}\0${key.containerID}\0${key.ifname}`
    yield `veth${createHash('sha256').update(seed).digest('hex').slice(0, 8)}`
  }
}

/**
 * IFLA_GROUP a veth is made with, until it has its alias in the next message: an alias cannot be given at creation
 * (net/core/rtnetlink.c, rtnl_create_link), and a program that is killed between the two must not leave a stranger.
 */
export const nascentGroup = 0x5058_0002

function isOf(link: Link, key: AttachmentKey): boolean {
  return link.alias === aliasOf(key) || isNascent(link)
}

/** True for a link whose ADD was killed right after it made it. */
export function isNascent({ alias, group }: Link): boolean {
  return alias === undefined && group === nascentGroup
}

/** The host's end of an attachment's veth pair, found without the pod's namespace; undefined if there is none. */
export function findHostLink(host: RouteSocket, key: AttachmentKey): Link | undefined {
  for (const name of hostNames(key)) {
    const link = host.link(name)
    if (link === undefined) return undefined
    if (isOf(link, key)) return link
  }
  return undefined
}

/** A free host interface name; what an earlier, killed ADD of the same attachment left is `leftover`. */
export function chooseHostName(
  host: RouteSocket,
  key: AttachmentKey,
): { name: string; leftover?: Link | undefined } {
  for (const name of hostNames(key)) {
    const link = host.link(name)
    if (link === undefined) return { name }
    if (isOf(link, key)) return { name, leftover: link }
  }
  throw new Error(`failed to find a free name for the host's veth of ${aliasOf(key)} after ${attempts} tries`)
}
