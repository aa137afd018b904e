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
  /** Names or addresses of interfaces, tried in order (flannel's --iface). */
  ifaces?: readonly string[] | undefined
  /** Patterns for addresses, then names (--iface-regex), tried in order after `ifaces`. */
  ifaceRegex?: readonly string[] | undefined
  /** Take the interface of the route to this address (--iface-can-reach). */
  ifaceCanReach?: string | undefined
  /** Address other nodes send to (--public-ip); chooses the interface if it is on one. */
  publicIp?: string | undefined
  /** The Node's InternalIP of the family. */
  internalIp?: string | undefined
}

/**
 * Chooses the external interface: those asked for, in flannel's order (names and addresses, patterns, reachability),
 * else the one that has `publicIp`, else the one that has the Node's InternalIP, else that of the default route.
 * Throws OverlayWaitError when there is none (yet).
 */
export function chooseExternalInterface(
  socket: RouteSocket,
  family: 4 | 6,
  choice: ExternalChoice,
): ExternalInterface {
  const machine = { socket, family, choice, links: socket.links(), addresses: socket.addresses() }
  const { ifaces = [], ifaceRegex = [], ifaceCanReach } = choice
  if (ifaces.length + ifaceRegex.length > 0 || ifaceCanReach !== undefined) return asked(machine)
  return (
    byAddress(machine, choice.publicIp) ?? byAddress(machine, choice.internalIp) ?? byDefaultRoute(machine)
  )
}

interface Machine {
  readonly socket: RouteSocket
  readonly family: 4 | 6
  readonly choice: ExternalChoice
  readonly links: readonly Link[]
  /** Of both families. */
  readonly addresses: readonly Address[]
}

/** Tries what was asked for in order; a failure is told only if nothing else is found. */
function asked(machine: Machine): ExternalInterface {
  const { ifaces = [], ifaceRegex = [], ifaceCanReach } = machine.choice
  const attempts = [
    ...ifaces.map((iface) => () => byNameOrAddress(machine, iface)),
    ...ifaceRegex.map((pattern) => () => byPattern(machine, pattern)),
    ...(ifaceCanReach === undefined ? [] : [() => byReach(machine, ifaceCanReach)]),
  ]
  const failures: string[] = []
  for (const attempt of attempts) {
    try {
      return attempt()
    } catch (error) {
      if (!(error instanceof OverlayWaitError)) throw error
      failures.push(error.message)
    }
  }
  throw new OverlayWaitError(failures.join('; '))
}

function byNameOrAddress(machine: Machine, iface: string): ExternalInterface {
  const own = byAddress(machine, iface)
  if (own !== undefined) return own
  // An address of the other family names the interface all the same.
  const holder = machine.addresses.find(({ address }) => address === iface)?.index
  const link = machine.links.find(({ name, index }) => name === iface || index === holder)
  if (link === undefined) {
    throw new OverlayWaitError(`iface '${iface}' is neither an interface nor an address of one`)
  }
  return onLink(machine, link)
}

function byPattern(machine: Machine, pattern: string): ExternalInterface {
  const expression = new RegExp(pattern)
  const address = machine.addresses.find(
    ({ family, address: text, scope }) =>
      family === machine.family && scope !== 'host' && expression.test(text),
  )
  const holder = machine.links.find(({ index }) => index === address?.index)
  if (address !== undefined && holder !== undefined) return describe(holder, address)
  const named = machine.links.filter(({ name }) => expression.test(name))
  // One that has an address: a pattern for 'eth1' fits its stacked or paired devices, too.
  const link = named.find(({ index }) => hasAddress(machine, index)) ?? named[0]
  if (link === undefined) {
    throw new OverlayWaitError(`iface-regex '${pattern}' matches no interface and no address of one`)
  }
  return onLink(machine, link)
}

function hasAddress({ addresses, family }: Machine, index: number): boolean {
  return addresses.some((address) => address.index === index && address.family === family)
}

function byReach(machine: Machine, destination: string): ExternalInterface {
  const route = machine.socket.routeTo(destination)
  const link = machine.links.find(({ index }) => index === route?.index)
  if (link === undefined) throw new OverlayWaitError(`iface-can-reach: there is no route to ${destination}`)
  const source = byAddress(machine, route?.source)
  return source !== undefined && source.index === link.index ? source : onLink(machine, link)
}

function byAddress(machine: Machine, text: string | undefined): ExternalInterface | undefined {
  const address = machine.addresses.find(
    (candidate) => candidate.family === machine.family && candidate.address === text,
  )
  const link = address && machine.links.find(({ index }) => index === address.index)
  return address && link && describe(link, address)
}

function byDefaultRoute(machine: Machine): ExternalInterface {
  const { socket, family, choice } = machine
  const defaults = socket
    .routes({ family, table: 254 })
    .filter(
      (route) => route.destination.endsWith('/0') && route.type === 'unicast' && route.index !== undefined,
    )
    .sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0))
  const link = machine.links.find(({ index }) => index === defaults[0]?.index)
  if (link === undefined) {
    throw new OverlayWaitError(
      `no external interface for IPv${family}: no interface has the Node's InternalIP` +
        `${choice.internalIp === undefined ? '' : ` ${choice.internalIp}`}, and there is no default route; name one with iface`,
    )
  }
  return onLink(machine, link)
}

function onLink({ addresses, family, choice }: Machine, link: Link): ExternalInterface {
  const usable = addresses.filter(
    (address) =>
      address.index === link.index &&
      address.family === family &&
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
