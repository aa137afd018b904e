import type { Logger } from 'pino'
import type { Dispatcher } from '../server/dispatch.ts'
import { listenTcp, type TcpLimits } from '../server/tcp.ts'
import type { Listener } from '../server/transport.ts'
import { listenUdp, type UdpListener } from '../server/udp.ts'
import { type ListenKey, serverLabel } from './build.ts'
import { localAddresses } from './local-addresses.ts'

/** Answers under way may take this long when a listener closes. */
const graceMs = 5000

interface Pair {
  readonly key: ListenKey
  readonly udp: UdpListener
  readonly tcp: Listener
}

/** What one address and port shall serve. */
export interface ListenerWish {
  readonly key: ListenKey
  readonly dispatcher: Dispatcher
  readonly tcp: Partial<TcpLimits>
}

/** The open DNS sockets. A reload hands them to the new configuration: no socket closes that is still wanted. */
export class Listeners {
  readonly #log: Logger
  readonly #pairs = new Map<string, Pair>()
  readonly #refused = new Set<string>()

  constructor(log: Logger) {
    this.#log = log
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
      pair.udp.receiver = wish.dispatcher.receiver
      pair.tcp.receiver = wish.dispatcher.receiver
    }
    await Promise.all(gone.map((pair) => closePair(pair, graceMs)))
  }

  /** Follows addresses that come and go, for listeners on every local address. */
  refresh(): void {
    const addresses = localAddresses()
    for (const { key, udp } of this.#pairs.values()) {
      if (key.address !== undefined) continue
      const before = udp.addresses()
      if (before.length === addresses.length && addresses.every((address) => before.includes(address)))
        continue
      udp.refresh(addresses)
    }
  }

  /** Addresses answered on, of all listeners. */
  addresses(): string[] {
    return [...new Set([...this.#pairs.values()].flatMap((pair) => pair.udp.addresses()))]
  }

  ports(): number[] {
    return [...new Set([...this.#pairs.values()].map((pair) => pair.udp.port()))]
  }

  async close(grace: number = graceMs): Promise<void> {
    const pairs = [...this.#pairs.values()]
    this.#pairs.clear()
    await Promise.all(pairs.map((pair) => closePair(pair, grace)))
  }

  async #open(wish: ListenerWish): Promise<Pair> {
    const { key, dispatcher } = wish
    const onError = (address: string, error: Error): void => {
      // Tentative IPv6 addresses and those just removed are tried again at the next refresh.
      const once = `${address} ${error.message}`
      if (this.#refused.has(once)) return
      this.#refused.add(once)
      this.#log.warn({ object: serverLabel(key), address, error: error.message }, 'udp address is not served')
    }
    // TCP first: port 0 (tests) is taken there, where a wildcard bind claims the port for every address.
    const tcp = await listenTcp({
      address: key.address,
      port: key.port,
      limits: wish.tcp,
      receiver: dispatcher.receiver,
    })
    try {
      const addresses = key.address === undefined ? localAddresses() : [key.address]
      const udp = await listenUdp({
        addresses,
        port: tcp.port(),
        required: key.address !== undefined,
        receiver: dispatcher.receiver,
        onError,
      })
      return { key, udp, tcp }
    } catch (error) {
      await tcp.close(0)
      throw error
    }
  }
}

async function closePair(pair: Pair, grace: number): Promise<void> {
  await Promise.all([pair.udp.close(grace), pair.tcp.close(grace)])
}
