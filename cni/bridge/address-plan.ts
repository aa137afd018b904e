import { formatAddress, networkOf, nextAddress, parseSubnet } from '#ipam'
import { type CniIp, type CniResult, type CniRoute, familyOf } from '../protocol/result.ts'

export interface AddressPlan {
  /** The pod's addresses, each with its gateway as far as there is one. */
  readonly ips: readonly CniIp[]
  /** Routes of the pod with their gateways filled in, each once. */
  readonly routes: readonly CniRoute[]
  /** Addresses the bridge must have, as CIDRs. */
  readonly gateways: readonly string[]
}

export interface PlanOptions {
  readonly isGateway: boolean
  readonly isDefaultGateway: boolean
  /** Index of the pod's interface in the result. */
  readonly interface: number
}

export const defaultRoutes: Readonly<Record<4 | 6, string>> = { 4: '0.0.0.0/0', 6: '::/0' }

/** Works out gateways and routes from what address management returned. Pure. */
export function planAddresses(ipam: CniResult, options: PlanOptions): AddressPlan {
  const ips = ipam.ips.map((ip): CniIp => {
    const gateway = ip.gateway ?? (options.isGateway ? firstAddressOf(ip.address) : undefined)
    return { ...ip, gateway, interface: options.interface }
  })
  const gatewayFor = (family: 4 | 6): string | undefined =>
    ips.find((ip) => familyOf(ip.address) === family && ip.gateway !== undefined)?.gateway
  const routes: CniRoute[] = []
  const add = (route: CniRoute): void => {
    const same = routes.some(
      (other) =>
        normalise(other.dst) === normalise(route.dst) &&
        (other.table ?? 254) === (route.table ?? 254) &&
        (other.priority ?? 0) === (route.priority ?? 0) &&
        // Two routes with gateways of their own are the configuration's wish; one without yields.
        (other.gw === route.gw || isDefault(route)),
    )
    if (!same) routes.push(route)
  }
  const explicit = ipam.routes.filter((route) => route.gw !== undefined)
  const implicit = ipam.routes.filter((route) => route.gw === undefined)
  for (const route of explicit) add(route)
  if (options.isDefaultGateway) {
    for (const family of new Set(ips.map((ip) => familyOf(ip.address)))) {
      const gw = gatewayFor(family)
      if (gw !== undefined) add({ dst: defaultRoutes[family], gw })
    }
  }
  for (const route of implicit) add({ ...route, gw: gatewayFor(familyOf(route.dst)) })
  return {
    ips,
    routes,
    gateways: options.isGateway
      ? [
          ...new Set(
            ips.flatMap(({ gateway, address }) =>
              gateway === undefined ? [] : [`${gateway}/${address.split('/')[1]}`],
            ),
          ),
        ]
      : [],
  }
}

/** First address of the network an address lies in: the gateway when nobody names another. */
function firstAddressOf(cidr: string): string | undefined {
  const subnet = parseSubnet(cidr)
  return subnet === undefined ? undefined : formatAddress(nextAddress(networkOf(subnet)))
}

/** The network of a CIDR as text ('10.1.2.3/24' -> '10.1.2.0/24'). */
export function networkText(cidr: string): string {
  const subnet = parseSubnet(cidr)
  return subnet === undefined ? cidr : `${formatAddress(networkOf(subnet))}/${subnet.prefix}`
}

function normalise(dst: string): string {
  return networkText(dst)
}

function isDefault({ dst }: CniRoute): boolean {
  return networkText(dst) === defaultRoutes[familyOf(dst)]
}
