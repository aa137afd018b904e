import {
  isAlreadyExists,
  type Link,
  type NetlinkError,
  type RouteSocket,
  type RouteSpec,
  runInNetns,
  setSysctl,
} from '#netlink'
import { CniError, cniCodes } from '../protocol/errors.ts'
import { familyOf } from '../protocol/result.ts'
import type { AddressPlan } from './address-plan.ts'
import { networkText } from './address-plan.ts'
import type { BridgeConfiguration } from './configuration.ts'
import { trySysctl } from './device.ts'

/** Sets addresses and routes of the pod's interface; `pod` is a socket in the pod's namespace at `netns`. */
export function configurePodInterface(
  pod: RouteSocket,
  netns: string,
  link: Link,
  plan: AddressPlan,
  conf: Pick<BridgeConfiguration, 'enableDad' | 'loopback'>,
): void {
  const hasIpv6 = plan.ips.some((ip) => familyOf(ip.address) === 6)
  preparePodInterface(netns, link, { hasIpv6, enableDad: conf.enableDad })
  if (conf.loopback) bringLoopbackUp(pod)
  for (const { address } of plan.ips) {
    const noDad = familyOf(address) === 6 && !conf.enableDad
    pod.replaceAddress({ index: link.index, address, ...(noDad ? { noDad } : {}) })
  }
  if (!link.up) pod.setLink(link.index, { up: true })
  for (const { dst, gw, mtu, priority, table, scope } of plan.routes) {
    const route: RouteSpec = {
      destination: networkText(dst),
      index: link.index,
      ...(gw === undefined ? {} : { gateway: gw }),
      ...(mtu === undefined ? {} : { mtu }),
      ...(priority === undefined ? {} : { metric: priority }),
      ...(table === undefined ? {} : { table }),
      ...(scope === undefined ? {} : { scope: scopeName(scope) }),
    }
    try {
      addOrAppendRoute(pod, route)
    } catch (error) {
      const reason = (error as NetlinkError).message
      throw new CniError(
        cniCodes.internal,
        `failed to add route '${dst} via ${gw ?? 'link'} dev ${link.name}': ${reason}`,
        {
          cause: error,
        },
      )
    }
  }
}

/** A pod with several interfaces may have several ways to one network (the reference plugins: RouteAddEcmp). */
function addOrAppendRoute(pod: RouteSocket, route: RouteSpec): void {
  try {
    pod.addRoute(route)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    const { destination, index } = route
    const ways = pod
      .routes({ table: route.table ?? 254 })
      .filter((other) => other.destination === destination)
    if (ways.some((other) => other.index === index)) throw error
    pod.appendRoute(route)
  }
}

/** Settings of the pod's interface that have to be there before its addresses. */
export function preparePodInterface(
  netns: string,
  { name }: Link,
  { hasIpv6, enableDad }: { hasIpv6: boolean; enableDad: boolean },
): void {
  runInNetns(netns, () => {
    trySysctl(`net/ipv4/conf/${name}/arp_notify`, '1')
    if (enableDad) trySysctl(`net/ipv6/conf/${name}/enhanced_dad`, '1')
    trySysctl(`net/ipv6/conf/${name}/accept_dad`, enableDad ? '1' : '0')
    if (!hasIpv6) return
    // Runtimes switch IPv6 off in new namespaces; a pod that gets an IPv6 address wants it.
    trySysctl('net/ipv6/conf/lo/disable_ipv6', '0')
    setSysctl(`net/ipv6/conf/${name}/disable_ipv6`, '0')
    trySysctl(`net/ipv6/conf/${name}/keep_addr_on_down`, '1')
  })
}

/** The loopback device is the first of every namespace (LOOPBACK_IFINDEX of include/net/flow.h). */
function bringLoopbackUp(pod: RouteSocket): void {
  pod.setLink(1, { up: true })
}

/** RT_SCOPE_* of linux/rtnetlink.h. */
function scopeName(scope: number): 'global' | 'site' | 'link' | 'host' | 'nowhere' {
  const names = new Map<number, 'global' | 'site' | 'link' | 'host' | 'nowhere'>([
    [0, 'global'],
    [200, 'site'],
    [253, 'link'],
    [254, 'host'],
    [255, 'nowhere'],
  ])
  const name = names.get(scope)
  if (name === undefined)
    throw new CniError(cniCodes.unsupportedField, `unsupported field scope=${scope} of a route`)
  return name
}
