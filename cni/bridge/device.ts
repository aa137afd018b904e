import { randomBytes } from 'node:crypto'
import { parseSubnet, subnetContains } from '#ipam'
import { isAlreadyExists, isNotFound, type Link, NetlinkError, type RouteSocket, setSysctl } from '#netlink'
import { CniError, cniCodes } from '../protocol/errors.ts'
import { familyOf } from '../protocol/result.ts'
import type { BridgeConfiguration } from './configuration.ts'
import { vlansUnsupported } from './vlan.ts'

/** What kernels say that were built without bridge VLAN filtering. */
const refusals = ['EOPNOTSUPP', 'EINVAL', 'ENOTSUP']

/** Finds the bridge or makes it, up and with a hardware address that stays. */
export function ensureBridge(host: RouteSocket, conf: BridgeConfiguration): Link {
  const { bridge: name, mtu, promiscMode } = conf
  let link = host.link(name)
  if (link === undefined) {
    try {
      // Without an address of its own a bridge takes the lowest of its ports', and changes it as pods come and go.
      host.addLink({
        name,
        kind: 'bridge',
        mac: randomMac(),
        ...(mtu > 0 ? { mtu } : {}),
        ...(conf.vlans === undefined ? {} : { bridge: { vlanFiltering: true } }),
      })
    } catch (error) {
      if (conf.vlans !== undefined && error instanceof NetlinkError && refusals.includes(error.code)) {
        throw vlansUnsupported(conf.vlans, error)
      }
      if (!isAlreadyExists(error)) throw error
    }
    link = host.link(name)
  }
  if (link === undefined) throw new Error(`failed to create bridge "${name}": it vanished at once`)
  if (link.kind !== 'bridge') {
    throw new CniError(
      cniCodes.internal,
      `failed to create bridge "${name}": "${name}" already exists but is not a bridge`,
    )
  }
  if (conf.vlans !== undefined && link.bridge?.vlanFiltering !== true) {
    throw new CniError(
      cniCodes.internal,
      `bridge "${name}" exists and does not filter VLANs: 'ip link set ${name} type bridge vlan_filtering 1', or name another bridge`,
    )
  }
  const withoutMac = link.mac === '' || link.mac === '00:00:00:00:00:00'
  // A bridge without ports falls back to the default MTU unless it was set after creation (br_mtu_auto_adjust).
  const mtuDiffers = mtu > 0 && link.mtu !== mtu
  if (!link.up || withoutMac || mtuDiffers || (promiscMode && !link.promiscuous)) {
    trySysctl(`net/ipv6/conf/${name}/accept_ra`, '0')
    host.setLink(link.index, {
      up: true,
      ...(withoutMac ? { mac: randomMac() } : {}),
      ...(mtuDiffers ? { mtu } : {}),
      ...(promiscMode ? { promiscuous: true } : {}),
    })
    link = host.link(link.index) ?? link
  }
  return link
}

/**
 * Gives the bridge a gateway address (CIDR). Another IPv4 address, or an overlapping IPv6 one, is in the way: it is
 * replaced with forceAddress, or when no pod hangs on the bridge that could be using it.
 */
export function ensureGatewayAddress(
  host: RouteSocket,
  bridge: Link,
  cidr: string,
  conf: BridgeConfiguration,
): void {
  const family = familyOf(cidr)
  const wanted = parseSubnet(cidr)
  if (wanted === undefined) throw new CniError(cniCodes.internal, `invalid gateway address ${cidr}`)
  const present = host.addresses({ index: bridge.index, family }).filter(({ scope }) => scope === 'global')
  const text = ({ address, prefixLength }: { address: string; prefixLength: number }): string =>
    `${address}/${prefixLength}`
  if (present.some((address) => text(address) === cidr)) return
  const inTheWay = present.filter((address) => {
    const other = parseSubnet(text(address))
    if (family === 4 || other === undefined) return true
    return subnetContains(other, wanted.address) || subnetContains(wanted, other.address)
  })
  if (inTheWay.length > 0 && !conf.forceAddress) {
    const ports = host.links().filter(({ master }) => master === bridge.index)
    if (ports.length > 0) {
      throw new CniError(
        cniCodes.internal,
        `failed to set bridge addr: "${bridge.name}" already has an IP address different from ${cidr}`,
        {
          details:
            `it has ${inTheWay.map(text).join(', ')}, which these ports may be using: ` +
            `${ports.map(({ name, alias }) => (alias === undefined ? name : `${name} (${alias})`)).join(', ')}. ` +
            'Remove those pods, or set forceAddress',
        },
      )
    }
  }
  for (const address of inTheWay) {
    try {
      host.deleteAddress({ index: bridge.index, address: text(address) })
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }
  host.replaceAddress({ index: bridge.index, address: cidr, ...(family === 6 ? { noDad: true } : {}) })
}

/** Lets the node route between its interfaces. */
export function enableForwarding(family: 4 | 6): void {
  setSysctl(family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding', '1')
}

/** For settings that a kernel without IPv6, or a read-only /proc/sys, does not offer and that are not vital. */
export function trySysctl(path: string, value: string): void {
  try {
    setSysctl(path, value)
  } catch {}
}

/** A random unicast address with the locally-administered bit. */
function randomMac(): string {
  const bytes = randomBytes(6)
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}
