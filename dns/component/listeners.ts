import type { Logger } from 'pino'
import type { Dispatcher } from '../server/dispatch.ts'
import { listenHttps } from '../server/https.ts'
import { defaultTcpLimits, listenTcp, type TcpLimits } from '../server/tcp.ts'
import type { TlsSettings } from '../server/tls.ts'
import type { Listener } from '../server/transport.ts'
import { listenUdp, type UdpListener } from '../server/udp.ts'
import { type ListenKey, serverLabel } from './build.ts'
import { localAddresses } from './local-addresses.ts'

/** Answers under way may take this long when a listener closes. */
const graceMs = 5000

interface Pair {
  readonly key: ListenKey
  /** undefined for tls:// and https:// */
  readonly udp: UdpListener | undefined
  readonly stream: Listener
}

/** What one address and port shall serve. */
export interface ListenerWish {
  readonly key: ListenKey
  readonly dispatcher: Dispatcher
  readonly tcp: Partial<TcpLimits>
  readonly tls?: TlsSettings | undefined
}

export interface ListenersOptions {
  readonly log: Logger
  /** other processes may have the same addresses and ports */
  readonly reusePort: boolean
  /** port to use instead of the one in the server's label, which is 0 in tests */
  readonly portOf?: ((label: string) => number | undefined) | undefined
  readonly onHttpStatus: (server: string, status: number) => void
}

/** The open DNS sockets. A reload hands them to the new configuration: no socket closes that is still wanted. */
export class Listeners {
  readonly #options: ListenersOptions
  readonly #pairs = new Map<string, Pair>()
  readonly #refused = new Set<string>()

  constructor(options: ListenersOptions) {
    this.#options = options
  }

  /** Opens what is new, then exchanges all receivers at once, then closes what is no longer wanted. */
  async change(wishes: ReadonlyMap<string, ListenerWish>): Promise<void> {
    const fresh = new Map<string, Pair>()
    try {
      for (const [label, wish] of wishes) {
        if (!this.#pairs.has(label)) fresh.set(label, await this.#open(wish))
      }
    } catch (error) {
      await Promise.all([...fresh.values()].map((pair) => closePair(pair, 0)))
      throw error
    }
    for (const [label, pair] of fresh) this.#pairs.set(label, pair)
    const gone: Pair[] = []
    for (const [label, pair] of this.#pairs) {
      const wish = wishes.get(label)
      if (wish === undefined) {
        gone.push(pair)
        this.#pairs.delete(label)
        continue
      }
      if (pair.udp !== undefined) {
        pair.udp.receiver = wish.dispatcher.receiver
        pair.udp.quick = wish.dispatcher.quick
      }
      pair.stream.receiver = wish.dispatcher.receiver
      if (wish.tls !== undefined) pair.stream.renew?.(wish.tls)
    }
    await Promise.all(gone.map((pair) => closePair(pair, graceMs)))
  }

  /** Follows addresses that come and go, for listeners on every local address. */
  refresh(): void {
    const addresses = localAddresses()
    for (const { key, udp } of this.#pairs.values()) {
      if (key.address !== undefined || udp === undefined) continue
      const before = udp.addresses()
      if (before.length === addresses.length && addresses.every((address) => before.includes(address)))
        continue
      udp.refresh(addresses)
    }
  }

  /** Addresses answered on, of all listeners. */
  addresses(): string[] {
    return [...new Set([...this.#pairs.values()].flatMap((pair) => pair.udp?.addresses() ?? []))]
  }

  /** The port each server really has, by its label. */
  portsByLabel(): Record<string, number> {
    return Object.fromEntries([...this.#pairs].map(([label, pair]) => [label, pair.stream.port()]))
  }

  ports(): number[] {
    return [...new Set([...this.#pairs.values()].map((pair) => pair.stream.port()))]
  }

  async close(grace: number = graceMs): Promise<void> {
    const pairs = [...this.#pairs.values()]
    this.#pairs.clear()
    await Promise.all(pairs.map((pair) => closePair(pair, grace)))
  }

  async #open(wish: ListenerWish): Promise<Pair> {
    const { key, dispatcher, tls } = wish
    const { reusePort, portOf } = this.#options
    const port = portOf?.(serverLabel(key)) ?? key.port
    const common = { address: key.address, port, receiver: dispatcher.receiver, reusePort }
    const limits = { ...defaultTcpLimits, ...wish.tcp }
    if (key.scheme === 'https' && tls !== undefined) {
      const onStatus = (status: number): void => this.#options.onHttpStatus(serverLabel(key), status)
      const idleTimeoutMs = limits.idleTimeoutMs
      return { key, udp: undefined, stream: await listenHttps({ ...common, tls, idleTimeoutMs, onStatus }) }
    }
    const stream = await listenTcp({ ...common, limits, tls: key.scheme === 'tls' ? tls : undefined })
    if (key.scheme !== 'dns') return { key, udp: undefined, stream }
    try {
      return { key, udp: await this.#openUdp(wish, stream.port()), stream }
    } catch (error) {
      await stream.close(0)
      throw error
    }
  }

  /** After TCP: port 0 (tests) is taken there, where a wildcard bind claims the port for every address. */
  #openUdp({ key, dispatcher }: ListenerWish, port: number): Promise<UdpListener> {
    const onError = (address: string, error: Error): void => {
      // Tentative IPv6 addresses and those just removed are tried again at the next refresh.
      const once = `${address} ${error.message}`
      if (this.#refused.has(once)) return
      this.#refused.add(once)
      this.#options.log.warn(
        { object: serverLabel(key), address, error: error.message },
        'udp address is not served; it is tried again when addresses change',
      )
    }
    return listenUdp({
      addresses: key.address === undefined ? localAddresses() : [key.address],
      port,
      required: key.address !== undefined,
      reusePort: this.#options.reusePort,
      receiver: dispatcher.receiver,
      quick: dispatcher.quick,
      onError,
    })
  }
}

async function closePair(pair: Pair, grace: number): Promise<void> {
  await Promise.all([pair.udp?.close(grace), pair.stream.close(grace)])
}
