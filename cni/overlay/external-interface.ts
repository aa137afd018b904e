import type { Address, Link, RouteSocket } from '#netlink'
import { OverlayWaitError } from './errors.ts'

/** The interface the encapsulated packets leave by. */
export interface ExternalInterface {
  readonly index: number
  readonly name: string
  readonly mtu: number
  /** Source of the outer header. */
  readonly address: string
}

export interface ExternalChoice {
  /** Name or address of the interface (flannel's --iface). */
  iface?: string | undefined
  /** Address other nodes send to (flannel's --public-ip); chooses the interface if it is on one. */
  publicIp?: string | undefined
  /** The Node's InternalIP of the family. */
  internalIp?: string | undefined
}

/**
 * Chooses the external interface: the one asked for, else the one that has `publicIp`, else the one that has the
 * Node's InternalIP, else that of the default route. Throws OverlayWaitError when there is none (yet).
 */
export function chooseExternalInterface(
  socket: RouteSocket,
  family: 4 | 6,
  choice: ExternalChoice,
): ExternalInterface {
  const links = socket.links()
  const addresses = socket.addresses({ family })
  const byAddress = (text: string | undefined): ExternalInterface | undefined => {
    const address = addresses.find((candidate) => candidate.address === text)
    const link = address && links.find((candidate) => candidate.index === address.index)
    return address && link && describe(link, address)
  }
  if (choice.iface !== undefined) {
    const asked = byAddress(choice.iface)
    if (asked !== undefined) return asked
    const link = links.find((candidate) => candidate.name === choice.iface)
    if (link === undefined) {
      throw new OverlayWaitError(`iface '${choice.iface}' is neither an interface nor an address of one`)
    }
    return onLink(link, addresses, family, choice)
  }
  const known = byAddress(choice.publicIp) ?? byAddress(choice.internalIp)
  if (known !== undefined) return known
  const defaults = socket
    .routes({ family, table: 254 })
    .filter(
      (route) => route.destination.endsWith('/0') && route.type === 'unicast' && route.index !== undefined,
    )
    .sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0))
  const link = links.find((candidate) => candidate.index === defaults[0]?.index)
  if (link === undefined) {
    throw new OverlayWaitError(
      `no external interface for IPv${family}: no interface has the Node's InternalIP` +
        `${choice.internalIp === undefined ? '' : ` ${choice.internalIp}`}, and there is no default route; name one with iface`,
    )
  }
  return onLink(link, addresses, family, choice)
}

function onLink(
  link: Link,
  addresses: readonly Address[],
  family: 4 | 6,
  choice: ExternalChoice,
): ExternalInterface {
  const usable = addresses.filter(
    (address) =>
      address.index === link.index &&
      !address.temporary &&
      !address.deprecated &&
      !address.tentative &&
      !address.dadFailed,
  )
  const address =
    usable.find(({ address: text }) => text === choice.publicIp || text === choice.internalIp) ??
    usable.find(({ scope }) => scope === 'global') ??
    usable[0]
  if (address === undefined) throw new OverlayWaitError(`interface ${link.name} has no IPv${family} address`)
  return describe(link, address)
}

function describe(link: Link, address: Address): ExternalInterface {
  return { index: link.index, name: link.name, mtu: link.mtu, address: address.address }
}
