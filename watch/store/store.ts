import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Controller } from '../control/controller.ts'
import { serviceNameLabel } from '../objects/endpoint-slice.ts'
import { type AnyObject, type Kind, type KindMap, kinds } from '../objects/kinds.ts'
import { type Key, keyFrom, keyOf } from '../objects/meta.ts'
import type { Change, ReplaceOptions, Sink, Source, SourceStatus, StepOptions } from '../source.ts'
import type { ServiceEndpoints } from '../view/endpoint.ts'
import { EndpointsView } from '../view/endpoints-view.ts'
import type { Notify, ObjectChange, SubscribeOptions, Subscription } from './change-set.ts'
import { sameObject } from './equal.ts'
import type { IndexName } from './indexes.ts'
import { StoreMetrics } from './metrics.ts'
import { Changes } from './step.ts'
import { Subscriber } from './subscriber.ts'
import { Table } from './table.ts'

type Tables = { readonly [K in Kind]: Table<K> }

export interface StoreOptions {
  readonly log: Logger
  /** this node: decides between EndpointSlices that disagree about one address */
  readonly nodeName?: string | undefined
  readonly metrics?: Registry | undefined
  /** makes the stand-ins for controllers of the control plane, run in this order after each step */
  readonly controllers?: ((store: Store) => readonly Controller[]) | undefined
  /** rewrites objects of the source before they are stored (addresses allocated, ...) */
  readonly admit?: ((object: AnyObject) => AnyObject) | undefined
}

/**
 * All objects a node needs, typed and indexed. Written by one source through `Sink`, in steps which
 * readers and subscribers see as a whole. Objects are immutable: a change puts a new one.
 */
export class Store implements Sink {
  /** merged endpoints of every Service */
  readonly endpoints: EndpointsView
  readonly #tables: Tables
  readonly #derived = new Map<Kind, Set<Key>>()
  readonly #controllers: readonly Controller[]
  readonly #admit: (object: AnyObject) => AnyObject
  readonly #subscribers = new Set<Subscriber>()
  readonly #log: Logger
  readonly #metrics: StoreMetrics
  readonly #synced = Promise.withResolvers<void>()
  readonly #closing: (() => Promise<void>)[] = []
  #isSynced = false
  #source: Source | undefined
  #step: Changes | undefined

  constructor(options: StoreOptions) {
    this.#log = options.log
    this.#admit = options.admit ?? ((object) => object)
    this.#tables = Object.fromEntries(kinds.map((kind) => [kind, new Table(kind)])) as unknown as Tables
    const slices = this.#tables.EndpointSlice
    this.endpoints = new EndpointsView({
      slicesOf: (service) => slices.lookup('service', service),
      servicesOf: (address) => ownersOf(slices.lookup('address', address)),
      nodeName: options.nodeName,
    })
    this.#controllers = options.controllers?.(this) ?? []
    this.#metrics = new StoreMetrics(options.metrics, (kind) => this.size(kind))
  }

  /** True after the source delivered its first complete state. */
  get synced(): boolean {
    return this.#isSynced
  }

  /** Resolves when `synced` becomes true. */
  whenSynced(): Promise<void> {
    return this.#synced.promise
  }

  /** Starts a source on this store; resolves, synced, when its first complete state is in. */
  async run(source: Source): Promise<void> {
    this.#source = source
    await source.start(this)
    this.#sync()
  }

  /** Asks for a kind that is not read where nobody asks for it; resolves when its objects are there. */
  async demand(kind: Kind): Promise<void> {
    await this.#source?.demand?.(kind)
  }

  /** What the source says about itself and the files it reads. */
  status(): SourceStatus {
    return this.#source?.status() ?? { source: 'none', synced: false, files: [], problems: [] }
  }

  #sync(): void {
    if (this.#isSynced) return
    this.#isSynced = true
    this.#synced.resolve()
    const at = performance.now()
    for (const subscriber of this.#subscribers) subscriber.begin(at)
  }

  get<K extends Kind>(kind: K, key: Key): KindMap[K] | undefined {
    return this.#table(kind).objects.get(key)
  }

  /** All objects of a kind, in no particular order. */
  list<K extends Kind>(kind: K): Iterable<KindMap[K]> {
    return this.#table(kind).objects.values()
  }

  size(kind: Kind): number {
    return this.#tables[kind].objects.size
  }

  /** Objects by a named index, e.g. `lookup('Pod', 'ip', '10.1.2.3')`; see store/indexes.ts. */
  lookup<K extends Kind>(kind: K, index: IndexName<K>, value: string): Iterable<KindMap[K]> {
    return this.#table(kind).lookup(index, value)
  }

  /**
   * Calls `notify` once with everything after the first sync, then with what changed since it was
   * last called. An error it throws is logged, and the next call carries everything again.
   */
  subscribe(options: SubscribeOptions, notify: Notify): Subscription {
    const subscriber = new Subscriber(options, notify, {
      snapshot: (wanted) => this.#snapshot(wanted),
      services: () => this.#serviceKeys(),
      endpointsChanged: (service, before) => before === undefined || this.endpoints.of(service) !== before,
      delivered: (consumer, seconds) => this.#metrics.delivered(consumer, seconds),
      failed: (consumer, error) => {
        this.#metrics.failed(consumer)
        this.#log.error(
          { err: error, consumer },
          'a consumer of the watch cache threw; it gets everything next time',
        )
      },
    })
    this.#subscribers.add(subscriber)
    if (this.#isSynced) subscriber.begin(performance.now())
    return {
      flush: () => subscriber.flush(),
      close: () => {
        subscriber.close()
        this.#subscribers.delete(subscriber)
      },
    }
  }

  /** Delivers what is pending to every subscriber now, without waiting for coalescing. */
  flush(): void {
    for (const subscriber of this.#subscribers) subscriber.flush()
  }

  /** Has `callback` run, and waited for, when the store is closed. */
  onClose(callback: () => Promise<void>): void {
    this.#closing.push(callback)
  }

  /** Stops the source and ends all subscriptions. The objects stay readable. */
  async close(): Promise<void> {
    await this.#source?.stop()
    for (const callback of this.#closing.splice(0)) await callback()
    for (const subscriber of this.#subscribers) subscriber.close()
    this.#subscribers.clear()
  }

  apply(changes: Iterable<Change>, options: StepOptions = {}): void {
    this.#run(options.at, () => {
      for (const change of changes) {
        if ('object' in change) this.#put(change.object)
        else this.#delete(change.kind, change.deleted)
      }
    })
  }

  replace<K extends Kind>(kind: K, objects: Iterable<KindMap[K]>, options: ReplaceOptions = {}): void {
    this.replaceAll([kind], objects, options)
  }

  replaceAll(kinds: readonly Kind[], objects: Iterable<AnyObject>, { at, keep }: ReplaceOptions = {}): void {
    this.#run(at, () => {
      const given = new Map(kinds.map((kind) => [kind, new Set<Key>()]))
      for (const object of objects) {
        given.get(object.kind)?.add(keyOf(object))
        this.#put(object)
      }
      for (const [kind, keys] of given) {
        for (const key of [...this.#tables[kind].objects.keys()]) {
          if (!keys.has(key) && keep?.has(key) !== true) this.#delete(kind, key)
        }
      }
    })
  }

  /** One step: everything written in `body` and by the controllers becomes one change for subscribers. */
  #run(at: number | undefined, body: () => void): void {
    const step = new Changes()
    this.#step = step
    try {
      body()
    } finally {
      for (const controller of this.#controllers) {
        controller.settle({
          derive: (object) => this.#derive(object),
          withdraw: (kind, key) => this.#withdraw(kind, key),
          revise: (object) => this.#write(object, { derived: false }),
        })
      }
      this.#step = undefined
      this.#publish(step.collapse(), at ?? performance.now())
    }
  }

  #publish(step: Changes, at: number): void {
    if (step.empty) return
    const touched = new Map<Key, ServiceEndpoints | undefined>()
    for (const { before, after } of step.of('EndpointSlice').values()) {
      for (const service of ownersOf([before, after]))
        touched.set(service, this.endpoints.lastMerged(service))
    }
    for (const [kind, changed] of step) this.#metrics.changed(kind, changed)
    for (const subscriber of this.#subscribers) subscriber.record(step, touched, at)
  }

  #put(object: AnyObject): void {
    const admitted = this.#admit(object)
    this.#derived.get(admitted.kind)?.delete(keyOf(admitted))
    this.#write(admitted, { derived: false })
  }

  #delete(kind: Kind, key: Key): void {
    if (this.#derived.get(kind)?.has(key) === true) return
    this.#erase(kind, key, { derived: false })
  }

  #derive(object: AnyObject): void {
    const key = keyOf(object)
    let keys = this.#derived.get(object.kind)
    if (keys === undefined) this.#derived.set(object.kind, (keys = new Set()))
    if (!keys.has(key) && this.#tables[object.kind].objects.has(key)) return
    keys.add(key)
    this.#write(object, { derived: true })
  }

  #withdraw(kind: Kind, key: Key): void {
    if (this.#derived.get(kind)?.delete(key) === true) this.#erase(kind, key, { derived: true })
  }

  #write(object: AnyObject, { derived }: { derived: boolean }): void {
    const key = keyOf(object)
    const table = this.#table<Kind>(object.kind)
    const before = table.objects.get(key)
    if (sameObject(before, object)) return
    table.put(key, object)
    this.#record(object.kind, key, { before, after: object }, derived)
  }

  #erase(kind: Kind, key: Key, { derived }: { derived: boolean }): void {
    const before = this.#tables[kind].objects.get(key)
    if (before === undefined) return
    this.#tables[kind].remove(key)
    this.#record(kind, key, { before, after: undefined }, derived)
  }

  #record(kind: Kind, key: Key, change: ObjectChange<AnyObject>, derived: boolean): void {
    this.#step?.add(kind, key, change)
    if (kind === 'EndpointSlice') {
      for (const service of ownersOf([change.before, change.after])) this.endpoints.invalidate(service)
    }
    for (const controller of this.#controllers) controller.note(kind, key, change, derived)
  }

  #snapshot(wanted: readonly Kind[]): Changes {
    const snapshot = new Changes()
    for (const kind of wanted) {
      for (const [key, after] of this.#tables[kind].objects) snapshot.add(kind, key, { after })
    }
    return snapshot
  }

  #serviceKeys(): Set<Key> {
    const services = new Set(this.#tables.Service.objects.keys())
    return services.union(ownersOf(this.#tables.EndpointSlice.objects.values()))
  }

  #table<K extends Kind>(kind: K): Table<K> {
    return this.#tables[kind] as unknown as Table<K>
  }
}

/** The Services that slices belong to. */
function ownersOf(slices: Iterable<AnyObject | undefined>): Set<Key> {
  const owners = new Set<Key>()
  for (const slice of slices) {
    const owner = slice?.metadata.labels[serviceNameLabel]
    if (slice !== undefined && owner !== undefined) owners.add(keyFrom(slice.metadata.namespace, owner))
  }
  return owners
}
