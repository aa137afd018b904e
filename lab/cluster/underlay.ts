import { isAlreadyExists, RouteSocket } from '#netlink'
import { LabError } from '../errors.ts'
import { namespaceName, netnsPath } from './names.ts'

/** The underlay takes a /24 of the range for benchmarking networks (RFC 2544): no real network is hidden by it. */
const RANGE = '198.18'
const LAST_SUBNET = 254

/** The veth between the machine and the fabric: named so with the subnet's number here, `host` there. */
export const HOST_LINK_PREFIX = 'plxlab'
export const HOST_PORT = 'host'

/** Addresses of an underlay: 198.18.<subnet>.0/24. */
export interface Underlay {
  readonly subnet: number
  readonly cidr: string
  /** The visitor's machine, seen from the lab. */
  readonly host: string
  /** The outside client, which is the upstream DNS server and the nodes' router as well. */
  readonly outside: string
  /** Name of the link in the machine's own namespace. */
  readonly hostLink: string
}

/** The /24 written in the example manifests, which `manifests.ts` replaces by the lab's own. */
export const EXAMPLE_SUBNET = 0

export function underlayOf(subnet: number): Underlay {
  return {
    subnet,
    cidr: `${RANGE}.${subnet}.0/24`,
    host: `${RANGE}.${subnet}.1`,
    outside: `${RANGE}.${subnet}.100`,
    hostLink: `${HOST_LINK_PREFIX}${subnet}`,
  }
}

/** Prefix of the addresses in a subnet, as text: `198.18.3.`. */
export function subnetPrefix(subnet: number): string {
  return `${RANGE}.${subnet}.`
}

/**
 * Takes a free /24 for the lab by creating its host link, whose name carries the number: of two labs that come up at
 * the same moment only one can have it. The other end goes to the fabric as port `host`.
 */
export function claimUnderlay(lab: string): Underlay {
  using socket = new RouteSocket()
  const taken = socket.addresses({ family: 4 }).map(({ address }) => address)
  const routed = socket.routes({ family: 4 }).map(({ destination }) => destination)
  const inUse = (prefix: string) => [...taken, ...routed].some((address) => address.startsWith(prefix))
  for (let subnet = EXAMPLE_SUBNET; subnet <= LAST_SUBNET; subnet++) {
    if (inUse(subnetPrefix(subnet))) continue
    const underlay = underlayOf(subnet)
    try {
      socket.addLink({
        name: underlay.hostLink,
        kind: 'veth',
        veth: { peerName: HOST_PORT, peerNetns: netnsPath(namespaceName(lab, 'fabric')) },
      })
      return underlay
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
  }
  throw new LabError(
    'LAB_SUBNET',
    `no free /24 in ${RANGE}.0.0/16 for the underlay: take a lab down (bin/plexus lab down --name NAME) or remove the addresses from the other interface`,
  )
}
