import type { Logger } from 'pino'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Store, Subscription } from '#watch'
import { EmbeddedStorage } from './admin/embedded-storage.ts'
import type { ObjectStorage } from './admin/object-storage.ts'
import { type AdminServer, startAdmin } from './admin/server.ts'
import { Journal } from './admin/storage.ts'
import type {
  GatewayConfig,
  ListenAddress,
  PlainListenAddress,
  TlsListenAddress,
} from './config/gateway-config.ts'
import { AccessLog, DataPlane } from './dataplane/index.ts'
import { GatewayListenError } from './errors.ts'
import { chooseNetwork, Deadlines, Listener, type Network, type TlsSettings } from './http/index.ts'
import { type TranslationProblem, Translator, WATCHED } from './kubernetes/index.ts'
import { Catalogue } from './objects/index.ts'
import { selectPlugins } from './plugins/index.ts'
import { AddressSet } from './route/index.ts'

export interface GatewayOptions {
  /** The watch cache; without it the gateway serves Admin API objects only. */
  readonly store?: Store | undefined
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
  health(): { ok: boolean; detail?: string }
  /** Kubernetes objects that are not in effect as written. */
  problems(): readonly TranslationProblem[]
  describeRoutes(): RouteDescription[]
  stop(): Promise<void>
}

/** Starts the gateway; resolves once the routes of the first sync are in and the ports are open. */
export async function startGateway(options: GatewayOptions): Promise<GatewayComponent> {
  const network = await chooseNetwork(options.config.transport, options.log)
  const gateway = new Gateway(options, network)
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
  readonly #network: Network
  readonly #catalogue = new Catalogue()
  readonly #deadlines = new Deadlines()
  readonly #plane: DataPlane
  readonly #accessLog: AccessLog | undefined
  readonly #registry: ReturnType<typeof selectPlugins>['registry']
  readonly #listeners: Listener[] = []
  readonly #reported = new Set<string>()
  #storage: ObjectStorage | undefined
  #admin: AdminServer | undefined
  #subscription: Subscription | undefined
  #translator: Translator | undefined
  #stopped = false

  constructor(options: GatewayOptions, network: Network) {
    this.#options = options
    this.#network = network
    const { config, log, metrics } = options
    const { registry, unknown } = selectPlugins(config.plugins)
    this.#registry = registry
    if (unknown.length > 0)
      log.warn({ plugins: unknown }, 'plugins of the configuration that do not exist here')
    if (config.ignored.length > 0)
      log.warn({ keys: config.ignored }, 'configuration keys without a meaning here')
    this.#accessLog = config.accessLog === undefined ? undefined : new AccessLog(config.accessLog)
    this.#plane = new DataPlane({
      registry,
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

  get listen(): readonly ListenAddress[] {
    return this.#listeners.map((listener) => listener.address)
  }
  get adminListen(): ListenAddress | undefined {
    return this.#admin?.address
  }

  async start(): Promise<void> {
    const { config, store, log } = this.#options
    const storage = this.#openStorage()
    this.#storage = storage
    this.#catalogue.subscribe((changes) => this.#plane.apply(changes))
    // No port opens before the routes are in: a gateway that answers 404 while it starts is worse than one not there yet.
    if (store !== undefined) await this.#follow(store)
    for (const address of config.listen) await this.#open(address, undefined)
    for (const address of config.tlsListen) await this.#open(address, this.#tls(address))
    if (config.admin !== undefined) {
      this.#admin = await startAdmin({
        config: config.admin,
        dataDirectory: config.dataDirectory,
        catalogue: this.#catalogue,
        registry: this.#registry,
        storage,
        log,
      })
    }
    log.info(
      {
        listen: this.listen,
        transport: this.#network.name,
        admin: this.adminListen,
        routes: this.#plane.tables.router.size,
      },
      'gateway serves',
    )
  }

  #openStorage(): ObjectStorage {
    const { dataDirectory } = this.#options.config
    const catalogue = this.#catalogue
    const journal = dataDirectory === undefined ? undefined : new Journal(dataDirectory, catalogue)
    return new EmbeddedStorage(catalogue, journal, this.#options.log)
  }

  async #open({ host, port, http2 }: PlainListenAddress, tls: TlsSettings | undefined): Promise<void> {
    const { reusePort, server: settings } = this.#options.config
    const shared = { network: this.#network, deadlines: this.#deadlines, handler: this.#plane }
    try {
      this.#listeners.push(await Listener.open({ host, port, http2, ...shared, tls, reusePort, settings }))
    } catch (error) {
      throw new GatewayListenError('the gateway', `${host}:${port}`, error)
    }
  }

  #tls(address: TlsListenAddress): TlsSettings {
    const { certificates } = this.#plane.tables
    const fallback = this.#options.config.fallbackSni ?? ''
    return { http2: address.http2, credentials: (name) => certificates.find(name === '' ? fallback : name) }
  }

  async #follow(store: Store): Promise<void> {
    const translator = new Translator({
      store,
      registry: this.#registry,
      ingressClass: this.#options.config.ingressClass,
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
    if (this.#stopped || this.#listeners.length === 0) return { ok: false, detail: 'not serving' }
    const count = this.problems().length
    const routes = this.#plane.tables.router.size
    return {
      ok: true,
      detail: count === 0 ? `${routes} routes` : `${routes} routes, ${count} problems in objects`,
    }
  }

  describeRoutes(): RouteDescription[] {
    const { tables } = this.#plane
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

  #measure(registry: Registry): void {
    const plane = this.#plane
    const listeners = this.#listeners
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
        this.set(
          { state: 'active' },
          listeners.reduce((sum, listener) => sum + listener.connections, 0),
        )
        this.set({ state: 'upstream_idle' }, plane.pool.idle())
      },
    })
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    await this.#admin?.close()
    await Promise.all(this.#listeners.map((listener) => listener.close(this.#options.config.shutdownTimeout)))
    // The store is followed to the end, so that what is still running reaches servers that exist.
    this.#subscription?.close()
    this.#plane.close()
    await this.#storage?.close()
    await this.#accessLog?.close()
  }
}
