import { setTimeout as sleep } from 'node:timers/promises'
import { type Link, RouteSocket } from '#netlink'
import { type AttachmentKey, aliasOf, chooseHostName, nascentGroup } from '../attachment.ts'
import { hostRoutes } from '../host-routes.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import { familyOf } from '../protocol/result.ts'
import type { AddressPlan } from './address-plan.ts'
import type { BridgeConfiguration } from './configuration.ts'
import { enableForwarding, ensureBridge, ensureGatewayAddress, trySysctl } from './device.ts'
import { configurePodInterface } from './pod-interface.ts'
import { setPortVlans } from './vlan.ts'
import { ensureVlanGateway } from './vlan-gateway.ts'

export interface Wiring {
  readonly bridge: Link
  readonly hostLink: Link
  readonly podLink: Link
  /** With a VLAN the gateway's address is on an interface of its own, `<bridge>.<vlan>`. */
  readonly gatewayLink?: Link | undefined
}

/**
 * Puts the pod on the bridge: bridge and gateway, veth pair with one end born in the pod's namespace, addresses and
 * routes. One synchronous pass; on an error the veth is gone again (the bridge stays, others may be using it).
 */
export function wirePod(
  key: AttachmentKey,
  netns: string,
  plan: AddressPlan,
  conf: BridgeConfiguration,
): Wiring {
  const host = hostRoutes()
  using pod = new RouteSocket({ netns })
  if (pod.link(key.ifname) !== undefined) {
    throw new CniError(cniCodes.internal, `container veth name provided (${key.ifname}) already exists`)
  }
  const bridge = ensureBridge(host, conf)
  const vlan = conf.vlans?.vlan ?? 0
  const gatewayLink = vlan > 0 && plan.gateways.length > 0 ? ensureVlanGateway(host, bridge, vlan) : undefined
  for (const cidr of plan.gateways) ensureGatewayAddress(host, gatewayLink ?? bridge, cidr, conf)
  for (const family of new Set(plan.gateways.map(familyOf))) enableForwarding(family)
  const { name, leftover } = chooseHostName(host, key)
  if (leftover !== undefined) host.deleteLink(leftover.index)
  const mtu = conf.mtu > 0 ? conf.mtu : undefined
  host.addLink({
    name,
    kind: 'veth',
    mtu,
    master: bridge.index,
    group: nascentGroup,
    veth: {
      peerName: key.ifname,
      peerNetns: netns,
      peerMac: conf.mac,
      peerMtu: mtu,
    },
  })
  try {
    const hostLink = required(host.link(name), name)
    trySysctl(`net/ipv6/conf/${name}/accept_ra`, '0')
    host.setLink(hostLink.index, {
      up: true,
      alias: aliasOf(key),
      group: 0,
      hairpin: conf.hairpinMode,
      isolated: conf.portIsolation,
    })
    if (conf.vlans !== undefined) setPortVlans(hostLink.index, conf.vlans)
    const podLink = required(pod.link(key.ifname), key.ifname)
    if (!conf.disableContainerInterface) configurePodInterface(pod, netns, podLink, plan, conf)
    return { bridge: required(host.link(bridge.index), bridge.name), hostLink, podLink, gatewayLink }
  } catch (error) {
    const created = host.link(name)
    if (created !== undefined) host.deleteLink(created.index)
    throw error
  }
}

/** Waits until the bridge forwards on the port: an ADD that returns earlier loses the pod's first packets. */
export async function waitUntilForwarding(hostName: string): Promise<void> {
  const host = hostRoutes()
  let state: string | undefined
  for (const pauseMs of [0, 1, 2, 5, 10, 20, 50, 100, 250, 500, 1000, 1000]) {
    if (pauseMs > 0) await sleep(pauseMs)
    state = host.link(hostName)?.operState
    if (state === 'up') return
  }
  throw new CniError(cniCodes.internal, `bridge port in error state: ${state ?? 'gone'}`)
}

function required(link: Link | undefined, name: string): Link {
  if (link === undefined) throw new CniError(cniCodes.internal, `failed to lookup "${name}": Link not found`)
  return link
}
