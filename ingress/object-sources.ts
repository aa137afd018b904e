import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Store, Subscription } from '#watch'
import { DeclaredStorage } from './admin/declared-storage.ts'
import type { ObjectStorage } from './admin/object-storage.ts'
import { openStorage } from './admin/open-storage.ts'
import type { GatewayConfig } from './config/gateway-config.ts'
import { type TranslationProblem, Translator, WATCHED } from './kubernetes/index.ts'
import { checkObject } from './objects/check.ts'
import { Catalogue, KINDS } from './objects/index.ts'
import { type Plugin, selectPlugins } from './plugins/index.ts'

/** How long the start waits for Pods, where their labels matter. */
const PODS_MS = 5000

export interface SourcesOptions {
  readonly config: GatewayConfig
  readonly store: Store | undefined
  readonly nodeName: string | undefined
  readonly log: Logger
}

/** Where the gateway's objects come from: what the Admin API keeps, and what Kubernetes objects stand for. */
export class ObjectSources {
  readonly catalogue = new Catalogue()
  readonly registry: ReadonlyMap<string, Plugin>
  readonly storage: ObjectStorage
  readonly #log: Logger
  readonly #reported = new Set<string>()
  #translator: Translator | undefined
  #subscription: Subscription | undefined
  #pods: Subscription | undefined

  private constructor(
    options: SourcesOptions,
    made: Pick<ObjectSources, 'catalogue' | 'registry' | 'storage'>,
  ) {
    this.#log = options.log
    this.catalogue = made.catalogue
    this.registry = made.registry
    this.storage = made.storage
  }

  /**
   * Resolves once every object is in the catalogue. Objects that were in memory only are taken over from the sources before,
   * as far as they are good with the plugins there are now.
   */
  static async open(options: SourcesOptions, before?: ObjectSources): Promise<ObjectSources> {
    const { config, log, store } = options
    const { registry, unknown } = selectPlugins(config.plugins, config.pluginAttributes)
    if (unknown.length > 0)
      log.warn({ plugins: unknown }, 'plugins of the configuration that do not exist here')
    const catalogue = new Catalogue()
    const storage = await openStorage({ catalogue, registry, config, log })
    const sources = new ObjectSources(options, { catalogue, registry, storage })
    if (before !== undefined && isInMemory(config)) sources.#takeOver(before)
    // No port opens before the routes are in: a gateway that answers 404 while it starts is worse than one not there yet.
    if (store !== undefined) await sources.#follow(store, options)
    return sources
  }

  #takeOver({ catalogue, storage }: ObjectSources): void {
    const { registry } = this
    if (this.storage instanceof DeclaredStorage) {
      if (storage instanceof DeclaredStorage) this.storage.restore(storage.document)
      return
    }
    for (const kind of KINDS) {
      for (const entry of catalogue.list(kind)) {
        if (entry.origin !== 'admin') continue
        const value = structuredClone(entry.value) as unknown as Record<string, unknown>
        const fault = checkObject(kind, entry.id, value, { catalogue, registry }, { references: 'unchecked' })
        if (fault === undefined) this.catalogue.restore(kind, entry)
        else this.#log.error({ object: `${kind}/${entry.id}` }, `not usable any more: ${fault}`)
      }
    }
  }

  async #follow(store: Store, { config, nodeName }: SourcesOptions): Promise<void> {
    const { registry } = this
    const translator = new Translator({ store, registry, ingressClass: config.ingressClass, nodeName })
    this.#translator = translator
    await new Promise<void>((resolve) => {
      this.#subscription = store.subscribe({ name: 'gateway', kinds: WATCHED, services: true }, (changes) => {
        this.catalogue.apply(translator.apply(changes), 'kubernetes')
        this.#report(translator.problems)
        // Endpoints of subsets are known when their Pods are; the other routes do not wait for ever.
        const pods = this.#followPods(store, translator)
        void Promise.race([pods, sleep(PODS_MS, undefined, { ref: false })]).then(resolve, resolve)
      })
    })
  }

  /** Pods are read as long as there are subsets. */
  async #followPods(store: Store, translator: Translator): Promise<void> {
    if (!translator.hasSubsets) {
      this.#pods?.close()
      this.#pods = undefined
    } else if (this.#pods === undefined) {
      this.#pods = store.subscribe({ name: 'gateway subsets', kinds: ['Pod'] }, (changes) =>
        this.catalogue.apply(translator.applyPods(changes), 'kubernetes'),
      )
      await store.demand('Pod')
      // The subscription may tell of them a moment later.
      this.catalogue.apply(translator.refreshSubsets(), 'kubernetes')
    }
  }

  /** Logs each problem once, when it appears. */
  #report(problems: readonly TranslationProblem[]): void {
    const current = new Set<string>()
    for (const { object, field, message } of problems) {
      const text = `${object} ${field} ${message}`
      current.add(text)
      if (this.#reported.has(text)) continue
      this.#reported.add(text)
      this.#log.warn({ object, field }, message)
    }
    for (const text of this.#reported) if (!current.has(text)) this.#reported.delete(text)
  }

  /** Kubernetes objects that are not in effect as written. */
  get problems(): readonly TranslationProblem[] {
    return this.#translator?.problems ?? []
  }

  async close(): Promise<void> {
    this.#subscription?.close()
    this.#pods?.close()
    await this.storage.close()
  }
}

function isInMemory({ etcd, objectsFile, dataDirectory }: GatewayConfig): boolean {
  return etcd === undefined && objectsFile === undefined && dataDirectory === undefined
}

/** Whether both configurations give the same objects, so that sources may stay open. */
export function sameSources(a: GatewayConfig, b: GatewayConfig): boolean {
  const basis = (config: GatewayConfig) => {
    const { etcd, objectsFile, configsApi, dataDirectory, keyring, plugins, ingressClass } = config
    return JSON.stringify({ etcd, objectsFile, configsApi, dataDirectory, keyring, plugins, ingressClass })
  }
  return basis(a) === basis(b)
}
