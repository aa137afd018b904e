import net from 'node:net'
import type { Logger } from 'pino'
import type {
  GatewayConfig,
  ListenAddress,
  PlainListenAddress,
  StreamListenAddress,
  TlsListenAddress,
} from '../config/gateway-config.ts'
import { GatewayListenError } from '../errors.ts'
import { type Deadlines, type InheritedPort, Listener, type TlsSettings } from '../http/index.ts'
import { StreamListener, UdpListener } from '../stream/index.ts'
import {
  type Closable,
  isKept,
  isSamePort,
  keptOf,
  listenersOf,
  NONE,
  type Opened,
  type OpenPort,
  opened,
  type Planned,
  type PortUse,
  type TcpListener,
  turn,
} from './open-ports.ts'
import { claimTcp, claimUdp } from './port-claims.ts'
import type { ConnectionCounts } from './serving-metrics.ts'

type Start<A, L> = (address: A, inherited?: InheritedPort | undefined) => Promise<L>

export interface PortsOptions {
  readonly deadlines: Deadlines
  /** Refuse ports that somebody else serves; the kernel would share them. */
  readonly exclusive: boolean
  readonly streamConnection: (route: string) => void
  readonly log: Logger
}

/**
 * The open ports of this process. They are shared (SO_REUSEPORT) with the other processes of the gateway, and a port that is
 * in the next configuration as well stays open with its connections: closing a port resets those that the kernel has queued.
 * If it is to work otherwise (TLS, HTTP/2, transport ...), another listener goes on with it, and connections there are go on
 * as they began.
 */
export class Ports {
  readonly #options: PortsOptions
  readonly #closing = new Set<Promise<void>>()
  #open: Opened = NONE
  /** Listeners whose port another one has taken over, with the kind of their sockets, as long as they have connections. */
  readonly #lingering = new Map<TcpListener, string>()
  /** Of ports that are closed. */
  readonly #gone = { accepted: 0 }
  #use: PortUse | undefined

  constructor(options: PortsOptions) {
    this.#options = options
  }

  /** Addresses for HTTP: those without TLS first, each group in the order of the configuration. */
  get listen(): readonly ListenAddress[] {
    return [...this.#open.plain, ...this.#open.tls].map(({ listener }) => listener.address)
  }

  /** Ports of the stream proxy. */
  get streamListen(): { readonly tcp: readonly ListenAddress[]; readonly udp: readonly ListenAddress[] } {
    const { tcp, udp } = this.#open
    return {
      tcp: tcp.map(({ listener }) => listener.address),
      udp: udp.map(({ listener }) => listener.address),
    }
  }

  get connections(): ConnectionCounts {
    const counts = { ...this.#gone, active: 0, waiting: 0 }
    for (const listener of [...listenersOf(this.#open), ...this.#lingering.keys()]) {
      counts.active += listener.connections
      if (!(listener instanceof Listener)) continue
      counts.accepted += listener.accepted
      counts.waiting += listener.waiting
    }
    return counts
  }

  /**
   * Opens what is new, hands what stays over to the new data plane, then lets what is gone drain. Throws GatewayListenError,
   * and nothing has changed then.
   */
  async change(use: PortUse): Promise<void> {
    const { config, network } = use
    const fresh: Closable[] = []
    const before = this.#open
    const kept = new Set<Closable>([
      ...keptOf(before.plain, config.listen, network),
      ...keptOf(before.tls, config.tlsListen, network),
      ...keptOf(before.tcp, config.stream.tcp, network),
      ...keptOf(before.udp, config.stream.udp, network),
    ])
    const heirless = new Set(
      [...before.plain, ...before.tls, ...before.tcp]
        .map(({ listener }) => listener)
        .filter((one) => !kept.has(one)),
    )
    const plan = <A extends ListenAddress, L extends Closable & { readonly address: ListenAddress }>(
      open: readonly OpenPort<A, L>[],
      wanted: readonly A[],
      start: Start<A, L>,
    ) => this.#plan({ use, open, wanted, start, fresh, heirless })
    try {
      const [plain, tls, tcp, udp] = [
        await plan<PlainListenAddress, Listener>(before.plain, config.listen, (address, inherited) =>
          this.#openHttp(use, address, undefined, inherited),
        ),
        await plan<TlsListenAddress, Listener>(before.tls, config.tlsListen, (address, inherited) =>
          this.#openHttp(use, address, this.#tls(address), inherited),
        ),
        await plan<StreamListenAddress, StreamListener>(before.tcp, config.stream.tcp, (address, inherited) =>
          this.#openStream(use, address, inherited),
        ),
        await plan<ListenAddress, UdpListener>(before.udp, config.stream.udp, (address) =>
          this.#openUdp(use, address),
        ),
      ]
      this.#use = use
      this.#open = {
        plain: await opened(plain),
        tls: await opened(tls),
        tcp: await opened(tcp),
        udp: await opened(udp),
      }
    } catch (error) {
      for (const listener of fresh) void listener.close(0)
      throw error
    }
    this.#retire(before, use)
    for (const listener of [...listenersOf(this.#open), ...this.#lingering.keys()]) turn(listener, use)
  }

  /** What happens to listeners that have no port any more, or none to keep. */
  #retire(before: Opened, use: PortUse): void {
    const now = new Set<Closable>(listenersOf(this.#open))
    for (const { listener, network } of [...before.plain, ...before.tls, ...before.tcp]) {
      if (now.has(listener)) continue
      if (listener.released) this.#lingering.set(listener, network)
      else this.#drain(listener, use.config)
    }
    for (const { listener } of before.udp) if (!now.has(listener)) this.#drain(listener, use.config)
    // The new data plane serves connections of its own kind of sockets.
    for (const [listener, network] of this.#lingering)
      if (network !== use.network.name || listener.connections === 0) this.#drain(listener, use.config)
  }

  #drain(listener: TcpListener | UdpListener, { shutdownTimeout }: GatewayConfig): void {
    if (listener instanceof Listener) this.#gone.accepted += listener.accepted
    if (!(listener instanceof UdpListener)) this.#lingering.delete(listener)
    const closing = listener.close(shutdownTimeout).finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  async #plan<A extends ListenAddress, L extends Closable & { readonly address: ListenAddress }>(given: {
    readonly use: PortUse
    readonly open: readonly OpenPort<A, L>[]
    readonly wanted: readonly A[]
    readonly start: Start<A, L>
    /** Gets what is opened. */
    readonly fresh: Closable[]
    /** Listeners that will not be needed; who takes a port over takes the listener out. */
    readonly heirless: Set<TcpListener>
  }): Promise<Planned<A, L>[]> {
    const { use, open, wanted, start, fresh, heirless } = given
    const network = use.network.name
    const result: Planned<A, L>[] = []
    for (const address of wanted) {
      const same = open.find((port) => isKept(port, address, use.network) && !result.includes(port))
      const predecessor = [...heirless].find((listener) => isSamePort(listener.address, address))
      if (same !== undefined) result.push(same)
      else if (predecessor !== undefined) {
        heirless.delete(predecessor)
        result.push(async () => ({ address, network, listener: await start(address, predecessor.release()) }))
      } else {
        const listener = await start(address)
        fresh.push(listener)
        result.push({ address, network, listener })
      }
    }
    return result
  }

  async #openHttp(
    { config, plane, network }: PortUse,
    address: PlainListenAddress,
    tls: TlsSettings | undefined,
    inherited: InheritedPort | undefined,
  ): Promise<Listener> {
    const { host, port, http2, proxyProtocol } = address
    const shared = { network, deadlines: this.#options.deadlines, handler: plane, settings: config.server }
    try {
      if (inherited === undefined) await this.#claim(address)
      return await Listener.open({
        host,
        port,
        http2,
        proxyProtocol,
        tls,
        reusePort: true,
        inherited,
        ...shared,
      })
    } catch (error) {
      throw new GatewayListenError('the gateway', `${host}:${port}`, error)
    }
  }

  async #openStream(
    { config, plane, network }: PortUse,
    address: StreamListenAddress,
    inherited: InheritedPort | undefined,
  ): Promise<StreamListener> {
    const { host, port, tls, proxyProtocol = false } = address
    const { deadlines, streamConnection, log } = this.#options
    const names = tls ? { ...this.#tls({ host, port, http2: false }), alpn: undefined } : undefined
    try {
      if (inherited === undefined) await this.#claim(address)
      return await StreamListener.open({
        host,
        port,
        reusePort: true,
        inherited,
        tls: names,
        proxyProtocol,
        proxyProtocolOut: config.stream.proxyProtocolOut,
        network,
        deadlines,
        table: plane.streams,
        counters: { connection: streamConnection },
        log,
      })
    } catch (error) {
      throw new GatewayListenError('the stream proxy', `${host}:${port}`, error)
    }
  }

  async #openUdp({ plane }: PortUse, { host, port }: ListenAddress): Promise<UdpListener> {
    const { streamConnection, log } = this.#options
    try {
      if (this.#options.exclusive && !this.#serves('udp', port)) await claimUdp(host, port)
      return await UdpListener.open({
        host,
        port,
        reusePort: true,
        table: plane.streams,
        counters: { connection: streamConnection },
        log,
      })
    } catch (error) {
      throw new GatewayListenError('the stream proxy', `${host}:${port}/udp`, error)
    }
  }

  async #claim({ host, port }: ListenAddress): Promise<void> {
    if (this.#options.exclusive && !this.#serves('tcp', port)) await claimTcp(host, port)
  }

  /** Whether one of our own listens on the port, whatever for. */
  #serves(protocol: 'tcp' | 'udp', port: number): boolean {
    const { udp, ...tcp } = this.#open
    const ours = protocol === 'udp' ? { ...NONE, udp } : { ...NONE, ...tcp }
    return listenersOf(ours).some(({ address }) => address.port === port)
  }

  #tls(address: TlsListenAddress): TlsSettings {
    // nginx takes clients that only say http/1.0, too.
    const alpn = [...(address.http2 ? ['h2'] : []), 'http/1.1', 'http/1.0']
    return {
      alpn,
      credentials: (name) => {
        const { config, plane } = this.#use ?? {}
        const certificates = plane?.tables.certificates
        const own = name === '' ? undefined : certificates?.find(name)
        // RFC 6066 §3: an address is no server name, but some clients send one.
        const nameless = name === '' || net.isIP(name) !== 0
        return own ?? (nameless ? certificates?.find(config?.fallbackSni ?? '') : undefined)
      },
    }
  }

  /** Stops accepting; running requests get the configuration's time to finish. */
  async drain(graceMs: number): Promise<void> {
    await Promise.all([
      ...this.#closing,
      ...[...listenersOf(this.#open), ...this.#lingering.keys()].map((listener) => listener.close(graceMs)),
    ])
  }
}
