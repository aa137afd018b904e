import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Store, Subscription } from '#watch'
import type { ObjectStorage } from './admin/object-storage.ts'
import { openStorage } from './admin/open-storage.ts'
import { type AdminServer, startAdmin } from './admin/server.ts'
import type { GatewayConfig, ListenAddress } from './config/gateway-config.ts'
import { type MetricsServer, metricsAddress, startMetrics } from './control/metrics-server.ts'
import { type ControlServer, startControl } from './control/server.ts'
import { type RequestTrace, Serving, type TraceRequest, traceRequest } from './dataplane/index.ts'
import { type TranslationProblem, Translator, WATCHED } from './kubernetes/index.ts'
import { Catalogue, type ObjectChange } from './objects/index.ts'
import { flushBatches, selectPlugins } from './plugins/index.ts'
import { countFor, MergedRegistry, WorkerPool } from './workers/index.ts'

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
  readonly #catalogue = new Catalogue()
  readonly #serving: Serving
  readonly #workers: WorkerPool
  readonly #registry: ReturnType<typeof selectPlugins>['registry']
  readonly #reported = new Set<string>()
  #storage: ObjectStorage | undefined
  #admin: AdminServer | undefined
  #control: ControlServer | undefined
  #metrics: MetricsServer | undefined
  #subscription: Subscription | undefined
  #translator: Translator | undefined
  #stopped = false
  #open = false

  private constructor(options: GatewayOptions, serving: Serving, workers: WorkerPool) {
    this.#options = options
    this.#serving = serving
    this.#workers = workers
    const { config, log } = options
    const { registry, unknown } = selectPlugins(config.plugins)
    this.#registry = registry
    if (unknown.length > 0)
      log.warn({ plugins: unknown }, 'plugins of the configuration that do not exist here')
    if (config.ignored.length > 0)
      log.warn({ keys: config.ignored }, 'configuration keys without a meaning here')
  }

  static async create(options: GatewayOptions): Promise<Gateway> {
    const { log, metrics } = options
    // Workers share the primary's ports.
    const config = options.config.workers > 1 ? { ...options.config, reusePort: true } : options.config
    let gateway: Gateway | undefined
    const workers = new WorkerPool({
      config: () => ({ ...config, ...gateway?.bound }),
      log,
      objects: () => gateway?.objects ?? [],
      count: (request) => countFor(serving.plane.tables, request),
    })
    const merged = config.workers > 1 ? new MergedRegistry(metrics, () => workers.scrape()) : metrics
    const serving = await Serving.create({ config, log, metrics: merged })
    gateway = new Gateway(options, serving, workers)
    return gateway
  }

  /** The addresses of the configuration as they were really bound. */
  get bound(): Pick<GatewayConfig, 'listen' | 'tlsListen' | 'stream'> {
    const { listen, tlsListen, stream } = this.#options.config
    const real = this.#serving.listen
    const { tcp, udp } = this.#serving.streamListen
    return {
      listen: listen.map((address, index) => ({ ...address, ...real[index] })),
      tlsListen: tlsListen.map((address, index) => ({ ...address, ...real[listen.length + index] })),
      stream: {
        ...stream,
        tcp: stream.tcp.map((address, index) => ({ ...address, ...tcp[index] })),
        udp: stream.udp.map((address, index) => ({ ...address, ...udp[index] })),
      },
    }
  }

  get objects(): readonly ObjectChange[] {
    return this.#catalogue.all()
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
    return this.#metrics?.address
  }
  get controlListen(): ListenAddress | undefined {
    return this.#control?.address
  }
  get adminListen(): ListenAddress | undefined {
    return this.#admin?.address
  }

  async start(): Promise<void> {
    const { config, store, log } = this.#options
    const catalogue = this.#catalogue
    const registry = this.#registry
    const storage = await openStorage({ catalogue, registry, config, log })
    this.#storage = storage
    this.#catalogue.subscribe((changes) => {
      this.#serving.apply(changes)
      this.#workers.apply(changes)
    })
    // No port opens before the routes are in: a gateway that answers 404 while it starts is worse than one not there yet.
    if (store !== undefined) await this.#follow(store)
    await this.#serving.open()
    this.#open = true
    await this.#workers.start(config.workers - 1)
    if (config.admin !== undefined) {
      this.#admin = await startAdmin({
        config: config.admin,
        dataDirectory: config.dataDirectory,
        catalogue: this.#catalogue,
        registry: this.#registry,
        storage,
        log,
        settled: () => this.#workers.settled(),
      })
    }
    const exported = metricsAddress(config.pluginAttributes)
    if (exported !== undefined) this.#metrics = await startMetrics(exported, this.#options.metrics)
    if (config.control !== undefined) {
      const groups = () => this.#serving.plane.tables.groups()
      this.#control = await startControl({ listen: config.control, catalogue, registry, groups })
    }
    log.info(
      {
        listen: this.listen,
        transport: this.#serving.network.name,
        admin: this.adminListen,
        routes: this.#serving.plane.tables.router.size,
      },
      'gateway serves',
    )
  }

  async #follow(store: Store): Promise<void> {
    const translator = new Translator({
      store,
      registry: this.#registry,
      ingressClass: this.#options.config.ingressClass,
      nodeName: this.#options.nodeName,
    })
    this.#translator = translator
    await new Promise<void>((resolve) => {
      this.#subscription = store.subscribe({ name: 'gateway', kinds: WATCHED, services: true }, (changes) => {
        this.#catalogue.apply(translator.apply(changes), 'kubernetes')
        this.#report(translator.problems)
        resolve()
      })
    })
  }

  /** Logs each problem once, when it appears. */
  #report(problems: readonly TranslationProblem[]): void {
    const current = new Set<string>()
    for (const { object, field, message } of problems) {
      const text = `${object} ${field} ${message}`
      current.add(text)
      if (this.#reported.has(text)) continue
      this.#reported.add(text)
      this.#options.log.warn({ object, field }, message)
    }
    for (const text of this.#reported) if (!current.has(text)) this.#reported.delete(text)
  }

  problems(): readonly TranslationProblem[] {
    return this.#translator?.problems ?? []
  }

  health(): { ok: boolean; detail?: string } {
    if (this.#stopped || !this.#open) return { ok: false, detail: 'not serving' }
    const { missing } = this.#workers
    if (missing > 0)
      return { ok: true, detail: `${missing} of ${this.#options.config.workers} workers are away` }
    const away = this.#storage?.problem
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
    return traceRequest(this.#serving.plane.tables, request)
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
    await this.#admin?.close()
    await this.#control?.close()
    await this.#metrics?.close()
    const { shutdownTimeout } = this.#options.config
    await Promise.all([this.#serving.drain(), this.#workers.stop(shutdownTimeout)])
    // The store is followed to the end, so that what is still running reaches servers that exist.
    this.#subscription?.close()
    await this.#serving.close()
    await this.#storage?.close()
    await flushBatches(1000)
  }
}
