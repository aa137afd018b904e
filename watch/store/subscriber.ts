import type { Kind } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'
import type { ServiceEndpoints } from '../view/endpoint.ts'
import type { ChangeSet, Notify, SubscribeOptions } from './change-set.ts'
import { Changes } from './step.ts'

/** What a subscriber needs of the store. */
export interface SubscriberHost {
  /** every object of the kinds as additions, for an initial change set */
  snapshot(kinds: readonly Kind[]): Changes
  /** every Service that exists or has slices */
  services(): Set<Key>
  /** of those Services, the ones whose merged endpoints are not `before` any more */
  endpointsChanged(service: Key, before: ServiceEndpoints | undefined): boolean
  delivered(consumer: string, seconds: number): void
  failed(consumer: string, error: unknown): void
}

/**
 * Collects what one consumer has not heard yet and tells it in one call. The first change after a
 * pause is delivered in the next turn of the event loop, later ones at most every `coalesceMs`.
 */
export class Subscriber {
  readonly name: string
  readonly #kinds: ReadonlySet<Kind>
  readonly #kindList: readonly Kind[]
  readonly #withServices: boolean
  readonly #coalesceMs: number
  readonly #notify: Notify
  readonly #host: SubscriberHost
  #changes = new Changes()
  #serviceObjects = new Changes()
  /** Services touched, with their merged endpoints as of before */
  #services = new Map<Key, ServiceEndpoints | undefined>()
  #initial = true
  #ready = false
  #closed = false
  #busy = false
  #at: number | undefined
  #last = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | undefined

  constructor(options: SubscribeOptions, notify: Notify, host: SubscriberHost) {
    this.name = options.name
    this.#kindList = options.kinds
    this.#kinds = new Set(options.kinds)
    this.#withServices = options.services ?? false
    this.#coalesceMs = options.coalesceMs ?? 10
    this.#notify = notify
    this.#host = host
  }

  /** The store is synced: the consumer may be told, first of all everything. */
  begin(at: number): void {
    if (this.#ready) return
    this.#ready = true
    this.#at = at
    this.#schedule()
  }

  /** Takes note of a step of the store. */
  record(changes: Changes, services: ReadonlyMap<Key, ServiceEndpoints | undefined>, at: number): void {
    if (this.#closed || this.#initial) {
      if (this.#ready && !this.#closed) this.#touch(at)
      return
    }
    let touched = false
    for (const [kind, changed] of changes) {
      const wanted = this.#kinds.has(kind)
      const follows = this.#withServices && kind === 'Service'
      if (!wanted && !follows) continue
      for (const [key, change] of changed) {
        if (wanted) this.#changes.add(kind, key, change)
        if (follows) this.#serviceObjects.add(kind, key, change)
      }
      touched = true
    }
    if (this.#withServices) {
      for (const [service, before] of services) {
        if (!this.#services.has(service)) this.#services.set(service, before)
        touched = true
      }
    }
    if (touched) this.#touch(at)
  }

  /** Delivers now what is pending, if the consumer is not still busy with the last. */
  flush(): void {
    this.#cancel?.()
    this.#cancel = undefined
    if (!this.#ready || this.#closed || this.#busy || this.#at === undefined) return
    const changes = this.#take(this.#at)
    this.#at = undefined
    if (changes === undefined) return
    this.#deliver(changes)
  }

  close(): void {
    this.#closed = true
    this.#cancel?.()
    this.#cancel = undefined
  }

  #touch(at: number): void {
    this.#at ??= at
    this.#schedule()
  }

  #schedule(): void {
    if (this.#cancel !== undefined || this.#busy || this.#closed || !this.#ready) return
    const wait = this.#last + this.#coalesceMs - performance.now()
    if (wait <= 0) {
      const immediate = setImmediate(() => this.flush())
      this.#cancel = () => clearImmediate(immediate)
    } else {
      const timer = setTimeout(() => this.flush(), wait)
      this.#cancel = () => clearTimeout(timer)
    }
  }

  #take(at: number): ChangeSet | undefined {
    if (this.#initial) {
      this.#initial = false
      this.#forget()
      const snapshot = this.#host.snapshot(this.#kindList)
      const services = this.#withServices ? this.#host.services() : new Set<Key>()
      return { initial: true, at, objects: (kind) => snapshot.of(kind), services }
    }
    const changes = this.#changes.collapse()
    const services = new Set<Key>()
    for (const [service, before] of this.#services) {
      if (this.#host.endpointsChanged(service, before)) services.add(service)
    }
    for (const key of this.#serviceObjects.collapse().of('Service').keys()) services.add(key)
    this.#forget()
    if (changes.empty && services.size === 0) return undefined
    return { initial: false, at, objects: (kind) => changes.of(kind), services }
  }

  #forget(): void {
    this.#changes = new Changes()
    this.#serviceObjects = new Changes()
    this.#services = new Map()
  }

  #deliver(changes: ChangeSet): void {
    const begun = performance.now()
    this.#last = begun
    let outcome: void | Promise<void>
    try {
      outcome = this.#notify(changes)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (outcome === undefined) {
      this.#host.delivered(this.name, (performance.now() - begun) / 1000)
      return
    }
    this.#busy = true
    outcome
      .then(
        () => this.#host.delivered(this.name, (performance.now() - begun) / 1000),
        (error) => this.#fail(error),
      )
      .finally(() => {
        this.#busy = false
        if (this.#at !== undefined) this.#schedule()
      })
  }

  /** A consumer that threw does not know where it stands: next time it gets everything. */
  #fail(error: unknown): void {
    this.#initial = true
    this.#forget()
    this.#host.failed(this.name, error)
  }
}
