import { parseSubnet } from '#ipam'
import { type Link, RouteSocket } from '#netlink'
import { type AttachmentKey, aliasOf, chooseHostName, nascentGroup } from '../attachment.ts'
import { networkText } from '../bridge/address-plan.ts'
import { enableForwarding, trySysctl } from '../bridge/device.ts'
import { preparePodInterface } from '../bridge/pod-interface.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import { type CniIp, type CniRoute, familyOf } from '../protocol/result.ts'

export interface PointToPoint {
  /** Each with its gateway. */
  readonly ips: readonly CniIp[]
  readonly routes: readonly CniRoute[]
  /** 0: the kernel's default. */
  readonly mtu: number
}

/**
 * A veth pair without a bridge: the pod keeps its network's prefix but reaches all of it by way of the gateway, which
 * is an address of the host's end; the host has a route to the pod alone (plugins/main/ptp/ptp.go). On an error the
 * pair is gone again.
 */
export function wirePointToPoint(
  key: AttachmentKey,
  netns: string,
  { ips, routes, mtu }: PointToPoint,
): { hostLink: Link; podLink: Link } {
  using host = new RouteSocket()
  using pod = new RouteSocket({ netns })
  if (pod.link(key.ifname) !== undefined) {
    throw new CniError(cniCodes.internal, `container veth name provided (${key.ifname}) already exists`)
  }
  const { name, leftover } = chooseHostName(host, key)
  if (leftover !== undefined) host.deleteLink(leftover.index)
  const size = mtu > 0 ? { mtu } : {}
  host.addLink({
    name,
    kind: 'veth',
    group: nascentGroup,
    ...size,
    veth: { peerName: key.ifname, peerNetns: netns, ...(mtu > 0 ? { peerMtu: mtu } : {}) },
  })
  try {
    const hostLink = required(host.link(name), name)
    trySysctl(`net/ipv6/conf/${name}/accept_ra`, '0')
    host.setLink(hostLink.index, { up: true, alias: aliasOf(key), group: 0 })
    const podLink = required(pod.link(key.ifname), key.ifname)
    preparePodInterface(netns, podLink, { hasIpv6: hasIpv6(ips), enableDad: false })
    configurePod(pod, podLink, ips, routes)
    configureHost(host, hostLink, ips)
    return { hostLink, podLink }
  } catch (error) {
    const created = host.link(name)
    if (created !== undefined) host.deleteLink(created.index)
    throw error
  }
}

function configurePod(
  pod: RouteSocket,
  { index }: Link,
  ips: readonly CniIp[],
  routes: readonly CniRoute[],
): void {
  for (const { address } of ips) pod.replaceAddress({ index, address, noPrefixRoute: true, noDad: true })
  pod.setLink(index, { up: true })
  for (const { address, gateway } of ips) {
    if (gateway === undefined) continue
    const own = address.split('/')[0] ?? address
    pod.addRoute({ destination: `${gateway}/${hostBits(gateway)}`, index, scope: 'link', source: own })
    // In a network of one address there is nothing behind the gateway.
    if (isLargerThanHost(address)) {
      pod.addRoute({ destination: networkText(address), index, gateway, source: own })
    }
  }
  for (const { dst, gw, mtu, priority, table } of routes) {
    pod.addRoute({
      destination: networkText(dst),
      index,
      ...(gw === undefined ? {} : { gateway: gw }),
      ...(mtu === undefined ? {} : { mtu }),
      ...(priority === undefined ? {} : { metric: priority }),
      ...(table === undefined ? {} : { table }),
    })
  }
}

function configureHost(host: RouteSocket, { index }: Link, ips: readonly CniIp[]): void {
  for (const { address, gateway } of ips) {
    if (gateway !== undefined) {
      host.replaceAddress({ index, address: `${gateway}/${hostBits(gateway)}`, noDad: true })
    }
    const own = address.split('/')[0] ?? address
    host.replaceRoute({ destination: `${own}/${hostBits(own)}`, index, scope: 'host' })
  }
  for (const family of new Set(ips.map(({ address }) => familyOf(address)))) enableForwarding(family)
}

function hasIpv6(ips: readonly CniIp[]): boolean {
  return ips.some(({ address }) => familyOf(address) === 6)
}

function hostBits(address: string): 32 | 128 {
  return familyOf(address) === 4 ? 32 : 128
}

function isLargerThanHost(cidr: string): boolean {
  return (parseSubnet(cidr)?.prefix ?? 0) < hostBits(cidr)
}

function required(link: Link | undefined, name: string): Link {
  if (link === undefined) throw new CniError(cniCodes.internal, `failed to lookup "${name}": Link not found`)
  return link
}
