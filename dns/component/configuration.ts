import { createHash } from 'node:crypto'
import type { BlockSettings, InstanceView, Surroundings } from '../core/setup.ts'
import type { Corefile } from '../corefile/parse.ts'
import { HttpWishes } from '../http/endpoints.ts'
import { type DispatchEvents, Dispatcher, type Route } from '../server/dispatch.ts'
import { type BuiltBlock, buildBlocks, type ListenKey, listenKeys, serverLabel } from './build.ts'
import type { ListenerWish } from './listeners.ts'

export interface ConfigurationOptions {
  readonly corefile: Corefile
  readonly defaultPort: number
  readonly surroundings: Omit<Surroundings, 'instance' | 'http'>
  readonly view: Pick<InstanceView, 'localAddresses' | 'localPorts' | 'reload' | 'peekVersion'>
  readonly events: DispatchEvents
  readonly previous: Configuration | undefined
}

/** One Corefile brought to life: blocks with their chains, and what they want to listen on. */
export class Configuration {
  readonly corefile: Corefile
  readonly blocks: readonly BuiltBlock[]
  readonly http = new HttpWishes()
  readonly instance: InstanceView
  readonly listeners = new Map<string, ListenerWish>()

  /** Sets everything up; nothing runs or listens yet. Throws CorefileError. */
  constructor(options: ConfigurationOptions) {
    const { corefile } = options
    this.corefile = corefile
    const blocks: BlockSettings[] = []
    const instance = {
      ...options.view,
      blocks,
      corefile: corefile.file,
      files: [corefile.file, ...corefile.imported],
      version: versionOf(corefile),
      lameduckMs: 0,
    }
    this.instance = instance
    this.blocks = buildBlocks({
      corefile,
      defaultPort: options.defaultPort,
      surroundings: { ...options.surroundings, http: this.http },
      instance,
      previous: options.previous?.blocks ?? [],
    })
    this.#wishListeners(options.events)
  }

  #wishListeners(events: DispatchEvents): void {
    const groups = new Map<
      string,
      { key: ListenKey; routes: Route[]; tcp: BlockSettings['tcp']; tls: BlockSettings['tls'] }
    >()
    for (const { settings, chain, plugins } of this.blocks) {
      for (const { key, zones } of listenKeys(settings)) {
        const label = serverLabel(key)
        let group = groups.get(label)
        if (group === undefined) {
          group = { key, routes: [], tcp: {}, tls: settings.tls }
          groups.set(label, group)
        }
        Object.assign(group.tcp, settings.tcp)
        if (!settings.servers.includes(label)) settings.servers.push(label)
        for (const zone of zones) {
          group.routes.push({
            zone,
            chain,
            plugins,
            anyClass: settings.anyClass,
            accepts: settings.accepts,
            view: settings.viewName,
          })
        }
      }
    }
    for (const [label, { key, routes, tcp, tls }] of groups) {
      this.listeners.set(label, { key, tcp, tls, dispatcher: new Dispatcher(label, routes, events) })
    }
  }

  /** Starts the plugins; when one fails, those already started are stopped again. */
  async start(): Promise<void> {
    const started: (() => void | Promise<void>)[] = []
    try {
      for (const { plugins } of this.blocks) {
        for (const plugin of plugins) {
          started.unshift(() => plugin.stop?.())
          await plugin.start?.()
        }
      }
    } catch (error) {
      for (const stop of started) await stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    for (const { plugins } of this.blocks) for (const plugin of plugins) await plugin.stop?.()
  }

  /** What the plugins complain about. */
  troubles(): string[] {
    return this.blocks.flatMap(({ plugins }) => plugins.flatMap((plugin) => plugin.trouble?.() ?? []))
  }
}

/** SHA-512 of what was parsed: comments and spacing do not count. */
export function versionOf(corefile: Corefile): string {
  const plain = JSON.stringify(corefile.blocks, (key, value: unknown) =>
    key === 'line' || key === 'file' ? undefined : value,
  )
  return createHash('sha512').update(plain).digest('hex')
}
