import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Store } from '#watch'
import type { GatewayConfig, ListenAddress } from './config/gateway-config.ts'
import { Management } from './control/management.ts'
import { registerNodeMetrics } from './control/node-metrics.ts'
import { type RequestTrace, Serving, type TraceRequest, traceRequest } from './dataplane/index.ts'
import type { TranslationProblem } from './kubernetes/index.ts'
import { ObjectSources, sameSources } from './object-sources.ts'
import type { ObjectChange } from './objects/index.ts'
import { flushBatches } from './plugins/index.ts'
import { MergedRegistry, openSharedState, type SharedState, WorkerPool } from './workers/index.ts'

export interface GatewayOptions {
  /** The watch cache; without it the gateway serves Admin API objects only. */
  readonly store?: Store | undefined
  /** The node it runs on: endpoints hinted for its zone come first. */
  readonly nodeName?: string | undefined
  readonly config: GatewayConfig
  readonly log: Logger
  readonly metrics: Registry
}

/** A route as `plexus get routes` shows it, in the order of precedence within a host. */
export interface RouteDescription {
  readonly host: string
  readonly uri: string
  readonly methods: readonly string[]
  readonly priority: number
  readonly id: string
  readonly name: string
  readonly upstream: string
  readonly nodes: readonly string[]
  readonly plugins: readonly string[]
}

export interface GatewayComponent {
  readonly name: 'gateway'
  /** Addresses really listened on (port 0 in the configuration gives a free one). */
  readonly listen: readonly ListenAddress[]
  readonly adminListen: ListenAddress | undefined
  /** Ports of the stream proxy. */
  readonly streamListen: { readonly tcp: readonly ListenAddress[]; readonly udp: readonly ListenAddress[] }
  /** The processes that serve, this one first. */
  readonly processes: readonly number[]
  health(): { ok: boolean; detail?: string }
  /** Kubernetes objects that are not in effect as written. */
  problems(): readonly TranslationProblem[]
  describeRoutes(): RouteDescription[]
  /** Which route a request would take, and why not the others. */
  trace(request: TraceRequest): RequestTrace
  /** Where the control API listens. */
  readonly controlListen: ListenAddress | undefined
  /** Where the metrics have a port of their own. */
  readonly metricsListen: ListenAddress | undefined
  /**
   * Serves with another configuration from now on. Clients notice nothing: ports that stay are not closed, open connections
   * and requests under way go on. Throws GatewayListenError or what a storage says, and what ran goes on then.
   */
  reconfigure(config: GatewayConfig): Promise<void>
  stop(): Promise<void>
}

/** Starts the gateway; resolves once the routes of the first sync are in and the ports are open. */
export async function startGateway(options: GatewayOptions): Promise<GatewayComponent> {
  const gateway = await Gateway.create(options)
  try {
    await gateway.start()
  } catch (error) {
    await gateway.stop()
    throw error
  }
  return gateway
}

class Gateway implements GatewayComponent {
  readonly name = 'gateway'
  readonly #options: GatewayOptions
  readonly #workers: WorkerPool
  readonly #management: Management
  #config: GatewayConfig
  #shared: SharedState
  #sources: ObjectSources
  #serving: Serving
  #stopped = false
  #open = false

  private constructor(
    options: GatewayOptions,
    made: { readonly shared: SharedState; readonly sources: ObjectSources; readonly serving: Serving },
    workers: WorkerPool,
  ) {
    const { config, log, metrics } = options
    this.#options = options
    this.#config = config
    this.#shared = made.shared
    this.#sources = made.sources
    this.#serving = made.serving
    this.#workers = workers
    this.#management = new Management({
      log,
      metrics,
      settled: () => this.#workers.settled(),
      groups: () => this.#serving.plane.tables.groups(),
    })
    registerNodeMetrics(metrics, { config: () => this.#config, sources: () => this.#sources })
  }

  static async create(options: GatewayOptions): Promise<Gateway> {
    const { config, log, metrics } = options
    let gateway: Gateway | undefined
    const shared = await openSharedState(config.workers)
    const workers = new WorkerPool({
      config: () => ({ ...config, ...gateway?.forWorkers }),
      log,
      objects: () => gateway?.objects ?? [],
      shared: () => gateway?.shared ?? shared,
      exposition: () => metrics.metrics(),
    })
    const merged = new MergedRegistry(metrics, () => workers.scrape())
    const exposition = () => metrics.metrics()
    const serving = await Serving.create({ config, log, metrics: merged, exposition, shared: shared.records })
    const sources = await ObjectSources.open({ nodeName: undefined, store: undefined, ...options })
    gateway = new Gateway(options, { shared, sources, serving }, workers)
    gateway.#warn(config)
    return gateway
  }

  #warn({ ignored }: GatewayConfig): void {
    if (ignored.length > 0)
      this.#options.log.warn({ keys: ignored }, 'configuration keys without a meaning here')
  }

  /** The configuration with the addresses that were really bound. */
  get forWorkers(): GatewayConfig {
    const { listen, tlsListen, stream } = this.#config
    const real = this.#serving.listen
    const { tcp, udp } = this.#serving.streamListen
    return {
      ...this.#config,
      listen: listen.map((address, index) => ({ ...address, ...real[index] })),
      tlsListen: tlsListen.map((address, index) => ({ ...address, ...real[listen.length + index] })),
      stream: {
        ...stream,
        tcp: stream.tcp.map((address, index) => ({ ...address, ...tcp[index] })),
        udp: stream.udp.map((address, index) => ({ ...address, ...udp[index] })),
      },
    }
  }

  get shared(): SharedState {
    return this.#shared
  }
  get objects(): readonly ObjectChange[] {
    return this.#sources.catalogue.all()
  }
  get listen(): readonly ListenAddress[] {
    return this.#serving.listen
  }
  get streamListen(): GatewayComponent['streamListen'] {
    return this.#serving.streamListen
  }
  get processes(): readonly number[] {
    return [process.pid, ...this.#workers.pids]
  }
  get metricsListen(): ListenAddress | undefined {
    return this.#management.metrics
  }
  get controlListen(): ListenAddress | undefined {
    return this.#management.control
  }
  get adminListen(): ListenAddress | undefined {
    return this.#management.admin
  }

  async start(): Promise<void> {
    this.#serving.apply(this.objects)
    this.#follow(this.#sources)
    await this.#serving.open()
    this.#open = true
    await this.#workers.resize(this.#config.workers - 1)
    await this.#management.change(this.#config, this.#sources)
    this.#options.log.info(
      {
        listen: this.listen,
        transport: this.#serving.network.name,
        processes: this.#config.workers,
        admin: this.adminListen,
        routes: this.#serving.plane.tables.router.size,
      },
      'gateway serves',
    )
  }

  /** Applies what changes in the sources, as long as they are the ones in use. */
  #follow(sources: ObjectSources): void {
    sources.catalogue.subscribe((changes) => {
      if (sources !== this.#sources) return
      this.#serving.apply(changes)
      this.#workers.apply(changes)
    })
  }

  async reconfigure(config: GatewayConfig): Promise<void> {
    const before = { config: this.#config, shared: this.#shared, sources: this.#sources }
    const stays = sameSources(before.config, config)
    if (!stays) await this.#replaceSources(config)
    if (config.workers > 1 && before.shared.fd === undefined)
      this.#shared = await openSharedState(config.workers)
    try {
      await this.#serving.reconfigure(config, this.objects, this.#shared.records)
    } catch (error) {
      this.#shared = before.shared
      if (!stays) await this.#replaceSources(before.config)
      throw error
    }
    this.#config = config
    await this.#workers.resize(config.workers - 1)
    await this.#management.change(config, this.#sources)
    this.#warn(config)
    this.#options.log.info(
      { listen: this.listen, processes: config.workers },
      'gateway serves as reconfigured',
    )
  }

  async #replaceSources(config: GatewayConfig): Promise<void> {
    const before = this.#sources
    // A journal has one writer.
    await before.close()
    const { store, nodeName, log } = this.#options
    const open = (of: GatewayConfig) => ObjectSources.open({ config: of, store, nodeName, log }, before)
    try {
      this.#sources = await open(config)
    } catch (error) {
      this.#sources = await open(this.#config)
      throw error
    } finally {
      if (this.#sources !== before) this.#follow(this.#sources)
    }
  }

  problems(): readonly TranslationProblem[] {
    return this.#sources.problems
  }

  health(): { ok: boolean; detail?: string } {
    if (this.#stopped || !this.#open) return { ok: false, detail: 'not serving' }
    const { missing } = this.#workers
    if (missing > 0) return { ok: true, detail: `${missing} of ${this.#config.workers - 1} workers are away` }
    const away = this.#sources.storage.problem
    // It serves what it knows: taking it out of service would make matters worse.
    if (away !== undefined) return { ok: true, detail: `objects are not followed: ${away}` }
    const count = this.problems().length
    const routes = this.#serving.plane.tables.router.size
    return {
      ok: true,
      detail: count === 0 ? `${routes} routes` : `${routes} routes, ${count} problems in objects`,
    }
  }

  trace(request: TraceRequest): RequestTrace {
    return traceRequest(this.#serving.plane, request)
  }

  describeRoutes(): RouteDescription[] {
    const { tables } = this.#serving.plane
    return [...tables.router.describe()].map(({ host, pattern, priority, target }) => {
      const group = target.upstreamId === undefined ? target.inline : tables.upstreams.get(target.upstreamId)
      return {
        host,
        uri: pattern,
        methods: target.match.methods,
        priority,
        id: target.id,
        name: target.route.name ?? '',
        upstream: group?.config.name ?? target.upstreamId ?? '',
        nodes: group?.servers.map((server) => server.name) ?? [],
        plugins: Object.keys(target.plugins),
      }
    })
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    await this.#management.close()
    await Promise.all([this.#serving.drain(), this.#workers.stop(this.#config.shutdownTimeout)])
    // The store is followed to the end, so that what is still running reaches servers that exist.
    await this.#sources.close()
    await this.#serving.close()
    await flushBatches(1000)
  }
}
