import type { Logger } from 'pino'
import { Registry } from 'prom-client'
import type { Store } from '#watch'
import { watchAddresses } from './component/address-monitor.ts'
import { Configuration, versionOf } from './component/configuration.ts'
import { Listeners } from './component/listeners.ts'
import { type CorefileSource, openCorefile } from './component/load.ts'
import type { Corefile } from './corefile/parse.ts'
import { HttpEndpoints } from './http/endpoints.ts'
import { MetricFamilies } from './metrics/metrics.ts'
import { ServerMetrics } from './plugins/prometheus/metrics.ts'

export interface DnsOptions {
  /** the cluster, for the kubernetes plugin; without it a Corefile that has the plugin is an error */
  readonly store?: Store | undefined
  /** path of the Corefile, 'stdin', its text, or undefined for ./Corefile */
  readonly corefile?: CorefileSource
  /** port of blocks that name none (53); 0 takes a free one, for tests */
  readonly port?: number | undefined
  readonly log: Logger
  readonly metrics?: Registry | undefined
  /** for `{$NAME}` in the Corefile */
  readonly environment?: NodeJS.ProcessEnv | undefined
}

export interface DnsComponent {
  readonly name: 'dns'
  /** not ok while a plugin cannot do its work (forwarding loop, no cluster data yet) */
  health(): { ok: boolean; detail?: string }
  /** Stops: not ready at once, then serves on for the lameduck time, then answers what is under way and closes. */
  stop(options?: { readonly lameduck?: boolean | undefined }): Promise<void>
  /** Reads the Corefile again; the old configuration stays when the new one is wrong. True if a new one serves now. */
  reload(): Promise<boolean>
  /** Ports queries are answered on. */
  ports(): readonly number[]
  addresses(): readonly string[]
  /** Where an HTTP address of the Corefile listens, e.g. httpPort('127.0.0.1:0'). */
  httpPort(address: string): number | undefined
}

/** Starts the server a Corefile describes; resolves when it answers. Throws DnsError. */
export async function startDns(options: DnsOptions): Promise<DnsComponent> {
  const log = options.log.child({ component: 'dns' })
  const metrics = new MetricFamilies(options.metrics ?? new Registry())
  const serverMetrics = new ServerMetrics(metrics)
  const listeners = new Listeners(log, (server, status) => serverMetrics.httpsAnswered(server, status))
  const endpoints = new HttpEndpoints()
  const parse = (): Corefile => openCorefile(options.corefile, { environment: options.environment })

  let current: Configuration | undefined
  let stopping: Promise<void> | undefined
  let working: Promise<unknown> = Promise.resolve()

  const build = (): Configuration => {
    const corefile = parse()
    for (const warning of corefile.warnings) log.warn(warning)
    return new Configuration({
      corefile,
      defaultPort: options.port ?? 53,
      surroundings: { log, metrics, store: options.store },
      view: {
        localAddresses: () => listeners.addresses(),
        localPorts: () => listeners.ports(),
        reload,
        peekVersion: () => versionOf(parse()),
      },
      events: serverMetrics.events(log),
      previous: current,
    })
  }

  /** Builds the new configuration completely before the old one goes; sockets are handed over. */
  const activate = async (): Promise<void> => {
    const next = build()
    await next.start()
    try {
      await endpoints.change(next.http)
      await listeners.change(next.listeners)
    } catch (error) {
      if (current !== undefined) await endpoints.change(current.http)
      await next.stop()
      throw error
    }
    const old = current
    current = next
    serverMetrics.enable(next.blocks.map((block) => block.settings))
    await old?.stop()
  }

  async function reload(): Promise<boolean> {
    const attempt = working.then(async () => {
      if (stopping !== undefined) return false
      try {
        await activate()
        log.info(
          { object: `Corefile ${current?.instance.corefile}`, version: current?.instance.version },
          'reload complete',
        )
        return true
      } catch (error) {
        serverMetrics.reloadFailed()
        log.error({ object: 'Corefile', err: error }, 'reload failed, the old configuration keeps serving')
        return false
      }
    })
    working = attempt
    return attempt
  }

  try {
    await activate()
  } catch (error) {
    await Promise.all([endpoints.closeAll(), listeners.close(0)])
    throw error
  }
  const addresses = watchAddresses(() => listeners.refresh())

  const shutDown = async (lameduck: boolean): Promise<void> => {
    await working
    await endpoints.withdraw('/ready')
    const wait = lameduck ? (current?.instance.lameduckMs ?? 0) : 0
    if (wait > 0) {
      log.info({ lameduckMs: wait }, 'going on to serve for the lameduck time')
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
    addresses.close()
    await listeners.close()
    await endpoints.closeAll()
    await current?.stop()
  }

  return {
    name: 'dns',
    health: () => {
      const troubles = current?.troubles() ?? []
      return troubles.length === 0 ? { ok: true } : { ok: false, detail: troubles.join('; ') }
    },
    stop: (how = {}) => (stopping ??= shutDown(how.lameduck ?? true)),
    reload,
    ports: () => listeners.ports(),
    addresses: () => listeners.addresses(),
    httpPort: (address) => endpoints.portOf(address),
  }
}
