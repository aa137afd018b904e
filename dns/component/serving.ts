import type { Logger } from 'pino'
import type { Store } from '#watch'
import type { Corefile } from '../corefile/parse.ts'
import { HttpEndpoints } from '../http/endpoints.ts'
import type { MetricFamilies } from '../metrics/metrics.ts'
import { ServerMetrics } from '../plugins/prometheus/metrics.ts'
import { type AddressMonitor, watchAddresses } from './address-monitor.ts'
import { Configuration, versionOf } from './configuration.ts'
import { Listeners } from './listeners.ts'

export interface ServingOptions {
  readonly store: Store | undefined
  readonly log: Logger
  readonly metrics: MetricFamilies
  /** port of blocks that name none */
  readonly defaultPort: number
  /** reads the configuration; called at each reload */
  readonly parse: () => Corefile
  /** DNS alone: the HTTP endpoints of a worker are its primary's */
  readonly withoutHttp?: boolean | undefined
  /** other processes may serve the same addresses and ports */
  readonly reusePort: boolean
  /** port that the primary got for a server ('dns://:0'), for its workers */
  readonly portOf?: ((label: string) => number | undefined) | undefined
  /** called when another configuration serves */
  readonly onActivated?: ((corefile: Corefile) => Promise<void>) | undefined
}

/** One process that serves a Corefile, and the next one after a reload. */
export class Serving {
  readonly endpoints: HttpEndpoints
  readonly listeners: Listeners
  readonly #options: ServingOptions
  readonly #serverMetrics: ServerMetrics
  #current: Configuration | undefined
  #stopping: Promise<void> | undefined
  #working: Promise<unknown> = Promise.resolve()
  #addresses: AddressMonitor | undefined

  constructor(options: ServingOptions) {
    this.#options = options
    this.#serverMetrics = new ServerMetrics(options.metrics)
    this.endpoints = new HttpEndpoints({ reusePort: options.reusePort })
    this.listeners = new Listeners({
      log: options.log,
      reusePort: options.reusePort,
      portOf: options.portOf,
      onHttpStatus: (server, status) => this.#serverMetrics.httpsAnswered(server, status),
    })
  }

  /** Serves for the first time. What it throws (DnsError) leaves nothing open. */
  async start(): Promise<void> {
    try {
      await this.#activate()
    } catch (error) {
      await Promise.all([this.endpoints.closeAll(), this.listeners.close(0)])
      throw error
    }
    this.#addresses = watchAddresses(() => this.listeners.refresh())
  }

  /** True if another configuration serves now; the old one stays when the new one is wrong. */
  reload(): Promise<boolean> {
    const attempt = this.#working.then(() => this.#reload())
    this.#working = attempt
    return attempt
  }

  /** What the plugins complain about. */
  troubles(): readonly string[] {
    return this.#current?.troubles() ?? []
  }

  /** Not ready at once, serves on for the lameduck time, answers what is under way, closes. */
  stop(how: { readonly lameduck: boolean }): Promise<void> {
    this.#stopping ??= this.#stop(how.lameduck)
    return this.#stopping
  }

  #build(): Configuration {
    const { parse, log, metrics, store, defaultPort } = this.#options
    const corefile = parse()
    for (const warning of corefile.warnings) log.warn(warning)
    return new Configuration({
      corefile,
      defaultPort,
      surroundings: { log, metrics, store },
      view: {
        localAddresses: () => this.listeners.addresses(),
        localPorts: () => this.listeners.ports(),
        reload: () => this.reload(),
        peekVersion: () => versionOf(parse()),
      },
      events: this.#serverMetrics.events(log),
      previous: this.#current,
    })
  }

  /** Builds the new configuration completely before the old one goes; sockets are handed over. */
  async #activate(): Promise<void> {
    const next = this.#build()
    const withHttp = this.#options.withoutHttp !== true
    await next.start()
    try {
      if (withHttp) await this.endpoints.change(next.http)
      await this.listeners.change(next.listeners)
    } catch (error) {
      if (this.#current !== undefined && withHttp) await this.endpoints.change(this.#current.http)
      await next.stop()
      throw error
    }
    const old = this.#current
    this.#current = next
    this.#serverMetrics.enable(next.blocks.map((block) => block.settings))
    await old?.stop()
    await this.#options.onActivated?.(next.corefile)
  }

  async #reload(): Promise<boolean> {
    if (this.#stopping !== undefined) return false
    const { log } = this.#options
    try {
      await this.#activate()
      const { corefile, version } = this.#current?.instance ?? {}
      log.info({ object: `Corefile ${corefile}`, version }, 'reload complete')
      return true
    } catch (error) {
      this.#serverMetrics.reloadFailed()
      log.error({ object: 'Corefile', err: error }, 'reload failed, the old configuration keeps serving')
      return false
    }
  }

  async #stop(lameduck: boolean): Promise<void> {
    await this.#working
    await this.endpoints.withdraw('/ready')
    const wait = lameduck ? (this.#current?.instance.lameduckMs ?? 0) : 0
    if (wait > 0) {
      this.#options.log.info({ lameduckMs: wait }, 'going on to serve for the lameduck time')
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
    this.#addresses?.close()
    await this.listeners.close()
    await this.endpoints.closeAll()
    await this.#current?.stop()
  }
}
