import dgram from 'node:dgram'
import net from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type {
  GatewayConfig,
  ListenAddress,
  PlainListenAddress,
  StreamListenAddress,
  TlsListenAddress,
} from '../config/gateway-config.ts'
import { GatewayListenError } from '../errors.ts'
import { type Deadlines, Listener, type Network, type TlsSettings } from '../http/index.ts'
import { StreamListener, UdpListener } from '../stream/index.ts'
import type { DataPlane } from './data-plane.ts'
import type { ConnectionCounts } from './serving-metrics.ts'

/** What ports serve with. */
export interface PortUse {
  readonly config: GatewayConfig
  readonly plane: DataPlane
  readonly network: Network
}

export interface PortsOptions {
  readonly deadlines: Deadlines
  /** Refuse ports that somebody else serves; the kernel would share them. */
  readonly exclusive: boolean
  readonly streamConnection: (route: string) => void
  readonly log: Logger
}

interface OpenPort<A, L> {
  readonly address: A
  readonly network: string
  readonly listener: L
}

interface Closable {
  close(graceMs: number): Promise<void>
}

interface Opened {
  readonly plain: OpenPort<PlainListenAddress, Listener>[]
  readonly tls: OpenPort<TlsListenAddress, Listener>[]
  readonly tcp: OpenPort<StreamListenAddress, StreamListener>[]
  readonly udp: OpenPort<ListenAddress, UdpListener>[]
}

const NONE: Opened = { plain: [], tls: [], tcp: [], udp: [] }

/**
 * The open ports of this process. They are shared (SO_REUSEPORT) with the other processes of the gateway, and a port that is
 * in the next configuration as well stays open with its connections: closing a port resets those that the kernel has queued.
 */
export class Ports {
  readonly #options: PortsOptions
  readonly #closing = new Set<Promise<void>>()
  #open: Opened = NONE
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
    const { plain, tls, tcp, udp } = this.#open
    const counts = { ...this.#gone, active: 0, waiting: 0 }
    for (const { listener } of [...plain, ...tls]) {
      counts.accepted += listener.accepted
      counts.active += listener.connections
      counts.waiting += listener.waiting
    }
    for (const { listener } of [...tcp, ...udp]) counts.active += listener.connections
    return counts
  }

  /**
   * Opens what is new, hands what stays over to the new data plane, then lets what is gone drain. Throws GatewayListenError,
   * and nothing has changed then.
   */
  async change(use: PortUse): Promise<void> {
    const { config } = use
    const fresh: Closable[] = []
    const before = this.#open
    try {
      this.#open = {
        plain: await this.#fit(use, before.plain, config.listen, fresh, (address) =>
          this.#openHttp(use, address, undefined),
        ),
        tls: await this.#fit(use, before.tls, config.tlsListen, fresh, (address) =>
          this.#openHttp(use, address, this.#tls(address)),
        ),
        tcp: await this.#fit(use, before.tcp, config.stream.tcp, fresh, (address) =>
          this.#openStream(use, address),
        ),
        udp: await this.#fit(use, before.udp, config.stream.udp, fresh, (address) =>
          this.#openUdp(use, address),
        ),
      }
    } catch (error) {
      for (const listener of fresh) void listener.close(0)
      throw error
    }
    this.#use = use
    for (const { listener } of [...this.#open.plain, ...this.#open.tls])
      listener.turnTo(use.plane, config.server)
    for (const { listener } of this.#open.tcp) listener.turnTo(use.plane.streams, config.stream)
    for (const { listener } of this.#open.udp) listener.turnTo(use.plane.streams)
    const kept = new Set<Closable>(listenersOf(this.#open))
    for (const listener of listenersOf(before)) if (!kept.has(listener)) this.#drain(listener, config)
  }

  #drain(listener: Closable & { readonly accepted?: number }, { shutdownTimeout }: GatewayConfig): void {
    this.#gone.accepted += listener.accepted ?? 0
    const closing = listener.close(shutdownTimeout).finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  async #fit<A extends ListenAddress, L extends Closable & { readonly address: ListenAddress }>(
    { network: { name: network } }: PortUse,
    open: readonly OpenPort<A, L>[],
    wanted: readonly A[],
    fresh: Closable[],
    start: (address: A) => Promise<L>,
  ): Promise<OpenPort<A, L>[]> {
    const result: OpenPort<A, L>[] = []
    for (const address of wanted) {
      const same = open.find(
        (port) => port.network === network && isAt(port, address) && !result.includes(port),
      )
      if (same !== undefined) {
        result.push(same)
        continue
      }
      const listener = await start(address)
      fresh.push(listener)
      result.push({ address, network, listener })
    }
    return result
  }

  async #openHttp(
    { config, plane, network }: PortUse,
    address: PlainListenAddress,
    tls: TlsSettings | undefined,
  ): Promise<Listener> {
    const { host, port, http2, proxyProtocol } = address
    const shared = { network, deadlines: this.#options.deadlines, handler: plane, settings: config.server }
    try {
      await this.#claim(address)
      return await Listener.open({ host, port, http2, proxyProtocol, tls, reusePort: true, ...shared })
    } catch (error) {
      throw new GatewayListenError('the gateway', `${host}:${port}`, error)
    }
  }

  async #openStream(
    { config, plane, network }: PortUse,
    address: StreamListenAddress,
  ): Promise<StreamListener> {
    const { host, port, tls, proxyProtocol = false } = address
    const { deadlines, streamConnection, log } = this.#options
    const names = tls ? { ...this.#tls({ host, port, http2: false }), alpn: undefined } : undefined
    try {
      await this.#claim(address)
      return await StreamListener.open({
        host,
        port,
        reusePort: true,
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
    const alpn = address.http2 ? ['h2', 'http/1.1'] : ['http/1.1']
    // RFC 6066 §3: an address is no server name, but some clients send one.
    const named = (name: string) => name !== '' && net.isIP(name) === 0
    return {
      alpn,
      credentials: (name) => {
        const { config, plane } = this.#use ?? {}
        return plane?.tables.certificates.find(named(name) ? name : (config?.fallbackSni ?? ''))
      },
    }
  }

  /** Stops accepting; running requests get the configuration's time to finish. */
  async drain(graceMs: number): Promise<void> {
    await Promise.all([
      ...this.#closing,
      ...listenersOf(this.#open).map((listener) => listener.close(graceMs)),
    ])
  }
}

/** Whether the port is the one that is wanted: as it was configured, or as it was bound then (port 0 gives a free one). */
function isAt<A extends ListenAddress>(
  { address, listener }: { readonly address: A; readonly listener: { readonly address: ListenAddress } },
  wanted: A,
): boolean {
  const { port } = listener.address
  return isDeepStrictEqual(address, wanted) || isDeepStrictEqual({ ...address, port }, wanted)
}

function listenersOf({ plain, tls, tcp, udp }: Opened): (Listener | StreamListener | UdpListener)[] {
  return [...plain, ...tls, ...tcp, ...udp].map(({ listener }) => listener)
}

/** Rejects if somebody listens there, which a port that is shared would not tell. */
async function claimTcp(host: string, port: number): Promise<void> {
  if (port === 0) return
  const server = net.createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, resolve)
  })
  await new Promise((resolve) => server.close(resolve))
}

/** As claimTcp. */
async function claimUdp(host: string, port: number): Promise<void> {
  if (port === 0) return
  const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, host, resolve)
  })
  await new Promise<void>((resolve) => socket.close(resolve))
}
