import { type Link, type NetlinkError, type RouteSocket, runInNetns, setSysctl } from '#netlink'
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
  conf: BridgeConfiguration,
): void {
  const hasIpv6 = plan.ips.some((ip) => familyOf(ip.address) === 6)
  runInNetns(netns, () => {
    trySysctl(`net/ipv4/conf/${link.name}/arp_notify`, '1')
    if (conf.enableDad) trySysctl(`net/ipv6/conf/${link.name}/enhanced_dad`, '1')
    trySysctl(`net/ipv6/conf/${link.name}/accept_dad`, conf.enableDad ? '1' : '0')
    if (!hasIpv6) return
    // Runtimes switch IPv6 off in new namespaces; a pod that gets an IPv6 address wants it.
    trySysctl('net/ipv6/conf/lo/disable_ipv6', '0')
    setSysctl(`net/ipv6/conf/${link.name}/disable_ipv6`, '0')
    trySysctl(`net/ipv6/conf/${link.name}/keep_addr_on_down`, '1')
  })
  if (conf.loopback) bringLoopbackUp(pod)
  for (const { address } of plan.ips) {
    const noDad = familyOf(address) === 6 && !conf.enableDad
    pod.replaceAddress({ index: link.index, address, ...(noDad ? { noDad } : {}) })
  }
  if (!link.up) pod.setLink(link.index, { up: true })
  for (const { dst, gw, mtu, priority, table, scope } of plan.routes) {
    try {
      pod.addRoute({
        destination: networkText(dst),
        index: link.index,
        ...(gw === undefined ? {} : { gateway: gw }),
        ...(mtu === undefined ? {} : { mtu }),
        ...(priority === undefined ? {} : { metric: priority }),
        ...(table === undefined ? {} : { table }),
        ...(scope === undefined ? {} : { scope: scopeName(scope) }),
      })
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

function bringLoopbackUp(pod: RouteSocket): void {
  const loopback = pod.link('lo')
  if (loopback !== undefined && !loopback.up) pod.setLink(loopback.index, { up: true })
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
