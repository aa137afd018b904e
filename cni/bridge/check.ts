import { type Link, RouteSocket } from '#netlink'
import type { AttachmentKey } from '../attachment.ts'
import type { Ipam } from '../ipam.ts'
import { missingRules } from '../nat/publish.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall } from '../protocol/plugin.ts'
import { type CniInterface, type CniResult, decodeResult, familyOf } from '../protocol/result.ts'
import { missingShaping } from '../shaping/shape.ts'
import { networkText } from './address-plan.ts'
import type { BridgeConfiguration } from './configuration.ts'
import { isSpoofChecked } from './spoof-check.ts'

/**
 * CHECK: what prevResult promises exists. Beyond the reference plugin it looks at the gateway address, the port's
 * settings and the masquerade and port rules, and it passes for a network without addresses.
 */
export async function checkPod(
  call: CniCall,
  key: AttachmentKey,
  conf: BridgeConfiguration,
  ipam: Ipam,
): Promise<void> {
  const raw = call.conf.fields.raw('prevResult')
  if (raw === undefined) throw failed('Required prevResult missing')
  const result = decodeResult(raw, call.conf.cniVersion)
  const promised = result.interfaces.find(
    ({ name, sandbox }) => name === call.ifname && sandbox === call.netns,
  )
  if (promised === undefined) {
    const other = result.interfaces.find(({ name }) => name === call.ifname)?.sandbox ?? ''
    throw failed(`Sandbox in prevResult ${other} doesn't match configured netns: ${call.netns}`)
  }
  const ips = result.ips.filter(
    ({ interface: index }) => index === undefined || result.interfaces[index] === promised,
  )
  if (ipam.present) await ipam.check(ips.map(({ address }) => address.split('/')[0] ?? ''))
  using host = new RouteSocket()
  using pod = new RouteSocket({ netns: call.netns })
  const bridge = checkBridge(host, result, conf)
  const hostLink = checkVeth(host, pod, promised, bridge, conf)
  checkAddresses(host, pod, { ...result, ips }, bridge, call.ifname, conf)
  if (conf.macSpoofCheck && !isSpoofChecked(key)) throw failed(`MAC spoof check of ${call.ifname} is missing`)
  const missing =
    missingRules(key, { ...conf, ips }) ??
    (conf.bandwidth === undefined ? undefined : missingShaping(key, hostLink, conf.bandwidth))
  if (missing !== undefined) throw failed(missing)
}

function checkBridge(host: RouteSocket, result: CniResult, conf: BridgeConfiguration): Link {
  const link = host.link(conf.bridge)
  if (link === undefined) throw failed(`Interface name ${conf.bridge} not found`)
  if (link.kind !== 'bridge') throw failed(`Interface ${conf.bridge} does not have link type of bridge`)
  const promised = result.interfaces.find(({ name, sandbox }) => name === conf.bridge && !sandbox)
  if (promised === undefined)
    throw failed(`CNI created bridge ${conf.bridge} in host namespace was not found`)
  if (promised.mac && promised.mac !== link.mac) {
    throw failed(`Bridge interface ${conf.bridge} Mac doesn't match: ${promised.mac}`)
  }
  if (link.promiscuous !== conf.promiscMode) {
    throw failed(
      `Bridge interface ${conf.bridge} configured Promisc Mode ${conf.promiscMode} doesn't match current state: ${link.promiscuous}`,
    )
  }
  return link
}

function checkVeth(
  host: RouteSocket,
  pod: RouteSocket,
  promised: CniInterface,
  bridge: Link,
  conf: BridgeConfiguration,
): Link {
  const podLink = pod.link(promised.name)
  if (podLink === undefined) throw failed(`Interface name ${promised.name} not found`)
  if (podLink.kind !== 'veth') throw failed(`Error: Container interface ${promised.name} not of type veth`)
  if (promised.mac && promised.mac !== podLink.mac) {
    throw failed(`Interface ${promised.name} Mac ${promised.mac} doesn't match container Mac: ${podLink.mac}`)
  }
  const hostLink = podLink.peerIndex === undefined ? undefined : host.link(podLink.peerIndex)
  if (hostLink === undefined || hostLink.peerIndex !== podLink.index || hostLink.master !== bridge.index) {
    throw failed(`CNI veth created for bridge ${bridge.name} was not found`)
  }
  if (hostLink.bridgePort !== undefined && hostLink.bridgePort.hairpin !== conf.hairpinMode) {
    throw failed(
      `Port ${hostLink.name} of bridge ${bridge.name}: hairpin mode is ${hostLink.bridgePort.hairpin}`,
    )
  }
  return hostLink
}

function checkAddresses(
  host: RouteSocket,
  pod: RouteSocket,
  { ips, routes }: CniResult,
  bridge: Link,
  ifname: string,
  conf: BridgeConfiguration,
): void {
  const podLink = pod.link(ifname)
  const cidrs = (socket: RouteSocket, index: number): string[] =>
    socket.addresses({ index }).map(({ address, prefixLength }) => `${address}/${prefixLength}`)
  const inPod = cidrs(pod, podLink?.index ?? 0)
  const onBridge = cidrs(host, bridge.index)
  for (const { address, gateway } of ips) {
    if (!inPod.includes(address)) throw failed(`Failed to match addr ${address} on interface ${ifname}`)
    const gatewayCidr = `${gateway}/${address.split('/')[1]}`
    if (conf.isGateway && gateway !== undefined && !onBridge.includes(gatewayCidr)) {
      throw failed(`Gateway address ${gatewayCidr} is missing on bridge ${bridge.name}`)
    }
  }
  const present = pod.routes()
  for (const { dst, gw } of routes) {
    const destination = networkText(dst)
    const found = present.some(
      (route) =>
        route.family === familyOf(dst) &&
        route.destination === destination &&
        (gw === undefined || route.gateway === gw),
    )
    if (!found)
      throw failed(`Expected Route ${dst}${gw === undefined ? '' : ` via ${gw}`} not found in routing table`)
  }
}

function failed(message: string): CniError {
  return new CniError(cniCodes.internal, message)
}
