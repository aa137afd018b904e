import { createHash } from 'node:crypto'
import { type Link, type Qdisc, RouteSocket, TrafficControlSocket } from '#netlink'
import { type AttachmentKey, aliasOf } from '../attachment.ts'
import { hostRoutes } from '../host-routes.ts'
import { removeLinks } from '../link-removal.ts'
import { type BandwidthLimits, tokenBucket } from './limits.ts'

/** The device that a pod's outgoing traffic is queued on, named as the reference plugin names it. */
export function ifbName({ network, containerID }: Pick<AttachmentKey, 'network' | 'containerID'>): string {
  return `bwp${createHash('sha512').update(`${network}${containerID}`).digest('hex').slice(0, 12)}`
}

/**
 * Limits what a pod receives by a token bucket on the host's end of its veth, and what it sends by one on an IFB
 * device that the host's end hands its packets to. Returns that device, if one was made.
 */
export function shapePod(key: AttachmentKey, hostLink: Link, limits: BandwidthLimits): Link | undefined {
  using queues = new TrafficControlSocket()
  if (limits.ingressRate > 0) {
    queues.addTokenBucket(hostLink.index, tokenBucket(limits.ingressRate, limits.ingressBurst))
  }
  if (limits.egressRate === 0) return undefined
  const bucket = tokenBucket(limits.egressRate, limits.egressBurst)
  using host = new RouteSocket()
  const name = ifbName(key)
  const leftover = host.link(name)
  if (leftover !== undefined) host.deleteLink(leftover.index)
  host.addLink({ name, kind: 'ifb', mtu: hostLink.mtu, txQueueLength: 0 })
  const device = host.link(name)
  if (device === undefined) throw new Error(`failed to create ifb device "${name}": it vanished at once`)
  // Up only now: what it is for is written on it first, for GC.
  host.setLink(device.index, { alias: aliasOf(key), up: true })
  queues.redirectIngress(hostLink.index, device.index)
  queues.addTokenBucket(device.index, bucket)
  return host.link(device.index) ?? device
}

/** Removes the IFB device; what hangs on the veth goes with that. Nothing being there is fine. */
export async function unshapePod(key: AttachmentKey): Promise<void> {
  const host = hostRoutes()
  const device = host.link(ifbName(key))
  if (device?.kind === 'ifb') await removeLinks(host, [device.index])
}

/** What of a pod's shaping is missing or different, in words; undefined if all is there. */
export function missingShaping(
  key: AttachmentKey,
  hostLink: Link,
  limits: BandwidthLimits,
): string | undefined {
  using queues = new TrafficControlSocket()
  if (limits.ingressRate > 0) {
    const problem = compare(hostLink, queues.qdiscs(hostLink.index), limits.ingressRate, limits.ingressBurst)
    if (problem !== undefined) return problem
  }
  if (limits.egressRate === 0) return undefined
  using host = new RouteSocket()
  const name = ifbName(key)
  const device = host.link(name)
  if (device?.kind !== 'ifb') return `Interface ${name} not found`
  if (!queues.qdiscs(hostLink.index).some(({ kind }) => kind === 'ingress'))
    return `Interface ${hostLink.name}: ingress qdisc not found`
  return compare(device, queues.qdiscs(device.index), limits.egressRate, limits.egressBurst)
}

function compare(
  link: Link,
  qdiscs: readonly Qdisc[],
  rateInBits: number,
  burstInBits: number,
): string | undefined {
  const wanted = tokenBucket(rateInBits, burstInBits)
  const tbf = qdiscs.find(({ kind }) => kind === 'tbf')?.tbf
  if (tbf === undefined) return `Interface ${link.name}: tbf qdisc not found`
  if (tbf.rate !== wanted.rate)
    return `Interface ${link.name}: rate is ${tbf.rate} bytes/s, not ${wanted.rate}`
  if (tbf.limit !== wanted.limit)
    return `Interface ${link.name}: limit is ${tbf.limit} bytes, not ${wanted.limit}`
  return undefined
}
