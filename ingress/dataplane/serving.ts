import type { Logger } from 'pino'
import { Counter, Gauge, type Registry } from 'prom-client'
import type {
  GatewayConfig,
  ListenAddress,
  PlainListenAddress,
  TlsListenAddress,
} from '../config/gateway-config.ts'
import { GatewayListenError } from '../errors.ts'
import { chooseNetwork, Deadlines, Listener, type Network, type TlsSettings } from '../http/index.ts'
import type { ObjectChange } from '../objects/index.ts'
import { selectPlugins } from '../plugins/index.ts'
import { AddressSet } from '../route/index.ts'
import { AccessLog } from './access-log.ts'
import { DataPlane } from './data-plane.ts'

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

  private constructor({ config, log, metrics }: ServingOptions, network: Network) {
    this.#config = config
    this.network = network
    this.#accessLog = config.accessLog === undefined ? undefined : new AccessLog(config.accessLog)
    this.plane = new DataPlane({
      registry: selectPlugins(config.plugins).registry,
      mode: config.router,
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
    return this.#listeners.reduce((sum, listener) => sum + listener.connections, 0)
  }

  apply(changes: readonly ObjectChange[]): void {
    this.plane.apply(changes)
  }

  /** Opens the ports of the configuration. Throws GatewayListenError. */
  async open(): Promise<void> {
    for (const address of this.#config.listen) await this.#open(address, undefined)
    for (const address of this.#config.tlsListen) await this.#open(address, this.#tls(address))
  }

  async #open({ host, port, http2 }: PlainListenAddress, tls: TlsSettings | undefined): Promise<void> {
    const { reusePort, server: settings } = this.#config
    const shared = { network: this.network, deadlines: this.#deadlines, handler: this.plane }
    try {
      this.#listeners.push(await Listener.open({ host, port, http2, ...shared, tls, reusePort, settings }))
    } catch (error) {
      throw new GatewayListenError('the gateway', `${host}:${port}`, error)
    }
  }

  #tls(address: TlsListenAddress): TlsSettings {
    const { certificates } = this.plane.tables
    const fallback = this.#config.fallbackSni ?? ''
    return { http2: address.http2, credentials: (name) => certificates.find(name === '' ? fallback : name) }
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
  }

  /** Stops accepting; running requests get the configuration's time to finish. */
  async drain(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close(this.#config.shutdownTimeout)))
  }

  /** After `drain`. */
  async close(): Promise<void> {
    this.plane.close()
    await this.#accessLog?.close()
  }
}
