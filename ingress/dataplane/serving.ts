import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { GatewayConfig, ListenAddress } from '../config/gateway-config.ts'
import { ConnectionPool, chooseNetwork, Deadlines, type Network } from '../http/index.ts'
import type { ObjectChange } from '../objects/index.ts'
import { selectPlugins } from '../plugins/index.ts'
import { AddressSet } from '../route/index.ts'
import type { SharedRecords } from '../sharing/index.ts'
import { AccessLog } from './access-log.ts'
import { DataPlane } from './data-plane.ts'
import { compileLogFormat } from './log-format.ts'
import type { PeerRules } from './peers.ts'
import { PluginStates } from './plugin-states.ts'
import { Ports } from './ports.ts'
import { registerServingMetrics } from './serving-metrics.ts'

export interface ServingOptions {
  readonly config: GatewayConfig
  readonly log: Logger
  readonly metrics: Registry
  /** The metrics of all processes as text. */
  readonly exposition: () => Promise<string>
  /** What this process has in common with the other ones of the gateway. */
  readonly shared: SharedRecords
}

/** One process's share of the gateway: a data plane behind open ports. Lives in the primary and in each worker process. */
export class Serving {
  readonly #options: ServingOptions
  #shared: SharedRecords
  readonly #deadlines = new Deadlines()
  readonly #ports: Ports
  readonly #states = new PluginStates()
  #config: GatewayConfig
  #network: Network
  #pool: ConnectionPool
  #accessLog: AccessLog | undefined
  #plane: DataPlane
  /** The data plane that is about to take over. */
  #next: DataPlane | undefined
  /** Requests of data planes before this one. */
  #requestsBefore = 0

  private constructor(options: ServingOptions, network: Network) {
    const { config, log, metrics, shared } = options
    this.#options = options
    this.#shared = shared
    this.#config = config
    this.#network = network
    this.#pool = new ConnectionPool(this.#deadlines, network)
    this.#accessLog = openAccessLog(config)
    this.#plane = this.#makePlane()
    const measured = () => this
    const streamConnections = registerServingMetrics(metrics, {
      get requests() {
        return measured().requests
      },
      get connections() {
        return measured().#ports.connections
      },
      get idleUpstream() {
        return measured().#pool.idle()
      },
      groups: () => (shared.process === 0 ? this.#plane.tables.groups() : []),
    })
    this.#ports = new Ports({
      deadlines: this.#deadlines,
      exclusive: shared.process === 0 && !config.reusePort,
      streamConnection: (route) => streamConnections.inc({ route }),
      log,
    })
  }

  /** Makes the data plane; no port is open yet. */
  static async create(options: ServingOptions): Promise<Serving> {
    return new Serving(options, await chooseNetwork(options.config.transport, options.log))
  }

  #makePlane(): DataPlane {
    const { log, metrics, exposition } = this.#options
    const config = this.#config
    return new DataPlane({
      registry: selectPlugins(config.plugins, config.pluginAttributes).registry,
      mode: config.router,
      discovery: config.discovery,
      healthChecks: config.healthChecks,
      readableBody: config.readableBody,
      attributes: config.pluginAttributes,
      states: this.#states,
      pool: this.#pool,
      uriRules: config.uriRules,
      peers: peerRules(config),
      showUpstreamStatus: config.showUpstreamStatus,
      accessLog: this.#accessLog,
      log,
      metrics,
      exposition,
      shared: this.#shared,
      tls: config.tls,
      processes: config.workers,
    })
  }

  get plane(): DataPlane {
    return this.#plane
  }
  get network(): Network {
    return this.#network
  }
  get requests(): number {
    return this.#requestsBefore + this.#plane.requests
  }
  get listen(): readonly ListenAddress[] {
    return this.#ports.listen
  }
  get streamListen(): Ports['streamListen'] {
    return this.#ports.streamListen
  }

  apply(changes: readonly ObjectChange[]): void {
    this.#plane.apply(changes)
    this.#next?.apply(changes)
  }

  /** Opens the ports of the configuration. Throws GatewayListenError. */
  async open(): Promise<void> {
    await this.#plane.tables.secrets.settled()
    await this.#ports.change({ config: this.#config, plane: this.#plane, network: this.#network })
  }

  /**
   * Serves with another configuration and these objects. Connections of clients stay open on ports that stay; requests under
   * way end as they began. Throws GatewayListenError, and nothing has changed then.
   */
  async reconfigure(
    config: GatewayConfig,
    objects: readonly ObjectChange[],
    shared: SharedRecords = this.#shared,
  ): Promise<void> {
    const before = {
      shared: this.#shared,
      config: this.#config,
      network: this.#network,
      pool: this.#pool,
      uriRules: config.uriRules,
      accessLog: this.#accessLog,
      plane: this.#plane,
    }
    if (config.transport !== before.config.transport) {
      this.#network = await chooseNetwork(config.transport, this.#options.log)
      if (this.#network.name !== before.network.name)
        this.#pool = new ConnectionPool(this.#deadlines, this.#network)
    }
    if (!sameLog(before.config, config)) this.#accessLog = openAccessLog(config)
    this.#config = config
    this.#shared = shared
    const plane = this.#makePlane()
    plane.apply(objects)
    this.#next = plane
    try {
      await plane.tables.secrets.settled()
      await this.#ports.change({ config, plane, network: this.#network })
    } catch (error) {
      plane.close()
      if (this.#pool !== before.pool) this.#pool.close()
      if (this.#accessLog !== before.accessLog) await this.#accessLog?.close()
      this.#config = before.config
      this.#shared = before.shared
      this.#network = before.network
      this.#pool = before.pool
      this.#accessLog = before.accessLog
      throw error
    } finally {
      this.#next = undefined
    }
    this.#plane = plane
    this.#requestsBefore += before.plane.requests
    before.plane.close()
    if (this.#pool !== before.pool) before.pool.close()
    // Requests under way write there when they end.
    if (this.#accessLog !== before.accessLog)
      setTimeout(() => void before.accessLog?.close(), config.shutdownTimeout).unref()
  }

  /** Stops accepting; running requests get the configuration's time to finish. */
  async drain(): Promise<void> {
    await this.#ports.drain(this.#config.shutdownTimeout)
  }

  /** After `drain`. */
  async close(): Promise<void> {
    this.#plane.close()
    this.#pool.close()
    await this.#accessLog?.close()
  }
}

function sameLog(a: GatewayConfig, b: GatewayConfig): boolean {
  return a.accessLog === b.accessLog && isDeepStrictEqual(a.accessLogFormat, b.accessLogFormat)
}

function openAccessLog({ accessLog, accessLogFormat }: GatewayConfig): AccessLog | undefined {
  if (accessLog === undefined) return undefined
  const format =
    accessLogFormat === undefined ? undefined : compileLogFormat(accessLogFormat.text, accessLogFormat.escape)
  return new AccessLog(accessLog, format)
}

function peerRules({ trustedAddresses, realIp }: GatewayConfig): PeerRules {
  return {
    trusted: trustedAddresses.length === 0 ? undefined : new AddressSet(trustedAddresses),
    realIp: realIp && { ...realIp, from: new AddressSet(realIp.from) },
  }
}
