import net from 'node:net'
import type { Logger } from 'pino'
import { Counter, Gauge, type Registry } from 'prom-client'
import type {
  GatewayConfig,
  ListenAddress,
  PlainListenAddress,
  StreamListenAddress,
  TlsListenAddress,
} from '../config/gateway-config.ts'
import { GatewayListenError } from '../errors.ts'
import { chooseNetwork, Deadlines, Listener, type Network, type TlsSettings } from '../http/index.ts'
import type { ObjectChange } from '../objects/index.ts'
import { selectPlugins } from '../plugins/index.ts'
import { AddressSet } from '../route/index.ts'
import { StreamListener, UdpListener } from '../stream/index.ts'
import { AccessLog } from './access-log.ts'
import { DataPlane } from './data-plane.ts'
import { compileLogFormat } from './log-format.ts'

export interface ServingOptions {
  readonly config: GatewayConfig
  readonly log: Logger
  readonly metrics: Registry
}

/** One process's share of the gateway: a data plane behind open ports. Lives in the primary and in each worker process. */
export class Serving {
  readonly plane: DataPlane
  readonly network: Network
  readonly #config: GatewayConfig
  readonly #deadlines = new Deadlines()
  readonly #accessLog: AccessLog | undefined
  readonly #listeners: Listener[] = []
  readonly #tcp: StreamListener[] = []
  readonly #udp: UdpListener[] = []
  readonly #streamConnections: Counter
  readonly #log: Logger

  private constructor({ config, log, metrics }: ServingOptions, network: Network) {
    this.#config = config
    this.network = network
    this.#log = log
    this.#accessLog = openAccessLog(config)
    this.plane = new DataPlane({
      registry: selectPlugins(config.plugins).registry,
      mode: config.router,
      discovery: config.discovery,
      attributes: config.pluginAttributes,
      deadlines: this.#deadlines,
      network,
      trusted: config.trustedAddresses.length === 0 ? undefined : new AddressSet(config.trustedAddresses),
      showUpstreamStatus: config.showUpstreamStatus,
      accessLog: this.#accessLog,
      log,
      metrics,
    })
    this.#measure(metrics)
    metrics.removeSingleMetric('apisix_stream_connection_total')
    this.#streamConnections = new Counter({
      name: 'apisix_stream_connection_total',
      help: 'Connections (TCP) and sessions (UDP) of the stream proxy per stream route',
      labelNames: ['route'],
      registers: [metrics],
    })
  }

  /** Makes the data plane; no port is open yet. */
  static async create(options: ServingOptions): Promise<Serving> {
    return new Serving(options, await chooseNetwork(options.config.transport, options.log))
  }

  /** Addresses listened on: those without TLS first, each group in the order of the configuration. */
  get listen(): readonly ListenAddress[] {
    return this.#listeners.map((listener) => listener.address)
  }

  get connections(): number {
    return [...this.#listeners, ...this.#tcp, ...this.#udp].reduce(
      (sum, listener) => sum + listener.connections,
      0,
    )
  }

  /** Ports of the stream proxy: TCP, then UDP. */
  get streamListen(): { readonly tcp: readonly ListenAddress[]; readonly udp: readonly ListenAddress[] } {
    return { tcp: this.#tcp.map((one) => one.address), udp: this.#udp.map((one) => one.address) }
  }

  apply(changes: readonly ObjectChange[]): void {
    this.plane.apply(changes)
  }

  /** Opens the ports of the configuration. Throws GatewayListenError. */
  async open(): Promise<void> {
    for (const address of this.#config.listen) await this.#open(address, undefined)
    for (const address of this.#config.tlsListen) await this.#open(address, this.#tls(address))
    for (const address of this.#config.stream.tcp) await this.#openStream(address)
    for (const address of this.#config.stream.udp) await this.#openUdp(address)
  }

  async #open(address: PlainListenAddress, tls: TlsSettings | undefined): Promise<void> {
    const { reusePort, server: settings } = this.#config
    const { host, port, http2, proxyProtocol } = address
    const shared = { network: this.network, deadlines: this.#deadlines, handler: this.plane }
    try {
      this.#listeners.push(
        await Listener.open({ host, port, http2, proxyProtocol, ...shared, tls, reusePort, settings }),
      )
    } catch (error) {
      throw new GatewayListenError('the gateway', `${host}:${port}`, error)
    }
  }

  get #streamContext() {
    const routes = this.#streamConnections
    return {
      reusePort: this.#config.reusePort,
      table: this.plane.streams,
      counters: { connection: (route: string) => routes.inc({ route }) },
      log: this.#log,
    }
  }

  async #openStream({ host, port, tls, proxyProtocol = false }: StreamListenAddress): Promise<void> {
    const { proxyProtocolOut } = this.#config.stream
    const names = tls ? { ...this.#tls({ host, port, http2: false }), alpn: undefined } : undefined
    const shared = { network: this.network, deadlines: this.#deadlines, ...this.#streamContext }
    try {
      this.#tcp.push(
        await StreamListener.open({ host, port, tls: names, proxyProtocol, proxyProtocolOut, ...shared }),
      )
    } catch (error) {
      throw new GatewayListenError('the stream proxy', `${host}:${port}`, error)
    }
  }

  async #openUdp({ host, port }: ListenAddress): Promise<void> {
    try {
      this.#udp.push(await UdpListener.open({ host, port, ...this.#streamContext }))
    } catch (error) {
      throw new GatewayListenError('the stream proxy', `${host}:${port}/udp`, error)
    }
  }

  #tls(address: TlsListenAddress): TlsSettings {
    const { certificates } = this.plane.tables
    const fallback = this.#config.fallbackSni ?? ''
    const alpn = address.http2 ? ['h2', 'http/1.1'] : ['http/1.1']
    // RFC 6066 §3: an address is no server name, but some clients send one.
    const named = (name: string) => name !== '' && net.isIP(name) === 0
    return { alpn, credentials: (name) => certificates.find(named(name) ? name : fallback) }
  }

  #measure(registry: Registry): void {
    const plane = this.plane
    const connections = () => this.connections
    const registers = [registry]
    registry.removeSingleMetric('apisix_http_requests_total')
    registry.removeSingleMetric('apisix_nginx_http_current_connections')
    new Counter({
      name: 'apisix_http_requests_total',
      help: 'Requests received',
      registers,
      collect() {
        this.reset()
        this.inc(plane.requests)
      },
    })
    new Gauge({
      name: 'apisix_nginx_http_current_connections',
      help: 'Connections of clients, and idle ones to upstreams',
      labelNames: ['state'],
      registers,
      collect() {
        this.set({ state: 'active' }, connections())
        this.set({ state: 'upstream_idle' }, plane.pool.idle())
      },
    })
    registry.removeSingleMetric('apisix_upstream_status')
    new Gauge({
      name: 'apisix_upstream_status',
      help: 'Health of servers that are checked: 1 healthy, 0 not',
      labelNames: ['name', 'ip', 'port'],
      registers,
      collect() {
        this.reset()
        for (const [owner, { health, servers }] of plane.tables.groups()) {
          if (health === undefined) continue
          for (const server of servers) {
            const { host: ip, port } = server
            this.set({ name: `/apisix/${owner}`, ip, port }, health.isHealthy(server) ? 1 : 0)
          }
        }
      },
    })
  }

  /** Stops accepting; running requests get the configuration's time to finish. */
  async drain(): Promise<void> {
    const { shutdownTimeout } = this.#config
    await Promise.all([
      ...[...this.#listeners, ...this.#tcp].map((listener) => listener.close(shutdownTimeout)),
      ...this.#udp.map((listener) => listener.close()),
    ])
  }

  /** After `drain`. */
  async close(): Promise<void> {
    this.plane.close()
    await this.#accessLog?.close()
  }
}

function openAccessLog({ accessLog, accessLogFormat }: GatewayConfig): AccessLog | undefined {
  if (accessLog === undefined) return undefined
  const format =
    accessLogFormat === undefined ? undefined : compileLogFormat(accessLogFormat.text, accessLogFormat.escape)
  return new AccessLog(accessLog, format)
}
