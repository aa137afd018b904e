import type { Logger } from 'pino'
import type { AnyObject } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'
import type { Change, Problem, Sink } from '../source.ts'
import { Backoff } from './backoff.ts'
import { apiErrorOf } from './errors.ts'
import { describeFailure, type Failure, judge } from './failure.ts'
import type { KindNeed } from './needs.ts'
import { identityOf, ObjectIntake } from './object-intake.ts'
import { laterVersion, ObjectVersions } from './object-versions.ts'
import type { ReflectorMetrics } from './reflector-metrics.ts'
import type { ResourceRequests } from './resource-requests.ts'
import type { Resource } from './resources.ts'
import type { ReflectorTiming } from './timing.ts'
import { ShortWatchError, StalledListError } from './watch-errors.ts'
import type { WatchEvent } from './wire/watch-stream.ts'

export interface ReflectorOptions {
  readonly resource: Resource
  readonly need: KindNeed
  readonly requests: ResourceRequests
  readonly sink: Sink
  readonly log: Logger
  readonly metrics: ReflectorMetrics
  readonly timing: ReflectorTiming
  /** shared by all reflectors: whether the server streams lists */
  readonly streaming: { usable: boolean }
  readonly onProblems: () => void
  /** the first complete state is in the sink */
  readonly onSynced: () => void
}

/**
 * Keeps the objects of one kind in the sink as the server has them: a list, streamed where offered,
 * then a watch that is resumed wherever it ends. Semantics of client-go's reflector: README.md.
 */
export class Reflector {
  readonly resource: Resource
  readonly #options: ReflectorOptions
  readonly #log: Logger
  readonly #name: string
  readonly #intake: ObjectIntake
  readonly #versions = new ObjectVersions()
  readonly #backoff: Backoff
  readonly #stop = new AbortController()
  /** where to go on; '' if a list has to come first and may be of any age */
  #version = ''
  #needsList = true
  /** the version we have is too old or too new for the server: ask for the latest, whatever it is */
  #versionUnavailable = false
  #listReason = 'start'
  #failingSince: number | undefined
  #failure: Failure | undefined
  #running: Promise<void> | undefined
  #synced = false

  constructor(options: ReflectorOptions) {
    this.#options = options
    this.resource = options.resource
    this.#name = options.resource.plural
    this.#log = options.log
    this.#backoff = new Backoff(options.timing.backoff)
    this.#intake = new ObjectIntake(options.resource.kind, options.onProblems)
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  get synced(): boolean {
    return this.#synced
  }

  /** Why the last attempt failed; undefined while a list or watch runs. */
  get failure(): Failure | undefined {
    return this.#failure
  }

  problems(): Problem[] {
    return this.#intake.problems()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const streaming = this.#options.streaming.usable
      try {
        if (!this.#needsList) await this.#watch()
        else if (streaming) await this.#streamList()
        else await this.#list()
      } catch (error) {
        if (!signal.aborted) await this.#recover(error, { streaming }).catch(() => {})
      }
      this.#options.metrics.streamOpen(this.#name, 0)
    }
  }

  /** The version a list may be served at: any at first, then nothing older than what we have. */
  get #listVersion(): string | undefined {
    if (this.#versionUnavailable) return undefined
    return this.#version === '' ? '0' : this.#version
  }

  async #list(): Promise<void> {
    const begun = performance.now()
    const objects = new Map<Key, Listed>()
    const version = await this.#options.requests.list({
      version: this.#listVersion,
      signal: this.#stop.signal,
      onItem: (raw) => this.#collect(objects, raw),
    })
    this.#replace(objects, version, begun)
  }

  /** A list and a watch in one (KEP-3157). */
  async #streamList(): Promise<void> {
    const begun = performance.now()
    const objects = new Map<Key, Listed>()
    const stalled = new AbortController()
    const { progressMs } = this.#options.timing
    // Servers before 1.27 do not know the parameter and would never say that the list is complete.
    const timer = setTimeout(() => stalled.abort(new StalledListError(progressMs)), progressMs)
    try {
      await this.#follow({
        // The first time any complete state will do only where it is the latest: '' asks for that.
        version: this.#versionUnavailable ? '' : this.#version,
        initial: true,
        signal: AbortSignal.any([this.#stop.signal, stalled.signal]),
        onEvents: (events) => {
          if (!this.#needsList) return this.#apply(events)
          timer.refresh()
          for (const [index, event] of events.entries()) {
            if (!this.#gather(objects, event)) continue
            clearTimeout(timer)
            this.#replace(objects, versionOf(event), begun)
            this.#apply(events.slice(index + 1))
            return
          }
        },
      })
    } catch (error) {
      throw stalled.signal.aborted ? stalled.signal.reason : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** One event of an initial stream; true for the bookmark that ends it. */
  #gather(objects: Map<Key, Listed>, { type, object }: WatchEvent): boolean {
    if (type === 'ERROR') throw this.#errorOf(object)
    if (type === 'BOOKMARK') {
      const { annotations } = (object['metadata'] ?? {}) as { annotations?: Record<string, unknown> }
      return annotations?.['k8s.io/initial-events-end'] === 'true'
    }
    const identity = identityOf(object)
    if (identity === undefined) return false
    if (type === 'DELETED') objects.delete(identity.key)
    else this.#collect(objects, object)
    return false
  }

  #collect(objects: Map<Key, Listed>, raw: Record<string, unknown>): void {
    const identity = identityOf(raw)
    if (identity === undefined || !this.#expected(raw)) return
    objects.set(identity.key, { version: identity.version, object: this.#intake.decode(identity.key, raw) })
  }

  #replace(objects: Map<Key, Listed>, version: string, begun: number): void {
    const { sink, metrics, resource } = this.#options
    const good: AnyObject[] = []
    for (const { object } of objects.values()) if (object !== undefined) good.push(object)
    const keys = new Set(objects.keys())
    this.#intake.keepOnly(keys)
    this.#versions.reset([...objects].map(([key, listed]) => [key, listed.version]))
    // Objects that are there but invalid keep their last good version.
    sink.replace(resource.kind, good as never[], { at: begun, keep: keys })
    this.#needsList = false
    this.#versionUnavailable = false
    this.#version = version
    metrics.count('lists', this.#name, { reason: this.#listReason })
    metrics.listed(this.#name, (performance.now() - begun) / 1000)
    metrics.version(this.#name, version)
    this.#listReason = 'watch failed'
    this.#well()
    if (!this.#synced) {
      this.#synced = true
      this.#log.debug({ resource: this.#name, objects: good.length }, 'listed')
      this.#options.onSynced()
    }
  }

  async #watch(): Promise<void> {
    const begun = performance.now()
    let events = 0
    await this.#follow({
      version: this.#version,
      initial: false,
      signal: this.#stop.signal,
      onEvents: (batch) => {
        events += batch.length
        this.#apply(batch)
      },
    })
    if (events === 0 && performance.now() - begun < 1000) throw new ShortWatchError()
  }

  async #follow(watch: Parameters<ResourceRequests['watch']>[0]): Promise<void> {
    const { metrics } = this.#options
    metrics.count('watches', this.#name)
    await this.#options.requests.watch({
      ...watch,
      onOpen: () => {
        metrics.streamOpen(this.#name, 1)
        if (!watch.initial) this.#well()
      },
    })
  }

  /** Everything that arrived together is one step. */
  #apply(events: readonly WatchEvent[]): void {
    const at = performance.now()
    const changes: Change[] = []
    const counts = new Map<string, number>()
    let version = this.#version
    try {
      for (const event of events) {
        counts.set(event.type, (counts.get(event.type) ?? 0) + 1)
        if (event.type === 'ERROR') throw this.#errorOf(event.object)
        const change = this.#changeOf(event)
        if (change !== undefined) changes.push(change)
        version = laterVersion(version, versionOf(event))
      }
    } finally {
      if (changes.length > 0) this.#options.sink.apply(changes, { at })
      this.#version = version
      const { metrics } = this.#options
      for (const [type, count] of counts)
        metrics.count('events', this.#name, { type: type.toLowerCase() }, count)
      metrics.version(this.#name, version)
    }
  }

  #changeOf({ type, object }: WatchEvent): Change | undefined {
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') return undefined
    const identity = identityOf(object)
    if (identity === undefined || !this.#expected(object)) return undefined
    const { key, version } = identity
    const deleted = type === 'DELETED'
    if (!this.#versions.admit(key, version, { deleted })) {
      this.#options.metrics.count('stale', this.#name)
      return undefined
    }
    if (deleted) {
      this.#intake.forget(key)
      return { kind: this.resource.kind, deleted: key }
    }
    const decoded = this.#intake.decode(key, object)
    return decoded === undefined ? undefined : { object: decoded }
  }

  /** Whether this is an object of our kind: a proxy or an old server may send Tables or worse. */
  #expected(raw: Record<string, unknown>): boolean {
    if (raw['kind'] === this.resource.kind) return true
    this.#log.warn(
      { resource: this.#name, kind: raw['kind'] },
      'the API server sent an object of another kind',
    )
    return false
  }

  #errorOf(status: Record<string, unknown>): Error {
    return apiErrorOf(status, { what: `watch ${this.#name}` })
  }

  #well(): void {
    if (this.#failure !== undefined) this.#log.info({ resource: this.#name }, 'the API server answers again')
    this.#failure = undefined
    this.#failingSince = undefined
  }

  async #recover(error: unknown, { streaming }: { streaming: boolean }): Promise<void> {
    const listing = this.#needsList
    const now = performance.now()
    this.#failingSince ??= now
    const verdict = judge(error, {
      listing,
      streaming,
      failingForMs: now - this.#failingSince,
    })
    this.#options.metrics.count('errors', this.#name, { reason: verdict.reason })
    if (verdict.noStreaming) this.#options.streaming.usable = false
    if (verdict.relist) {
      this.#needsList = true
      this.#listReason = verdict.reason
      if (listing) this.#versionUnavailable ||= verdict.versionUnavailable
      else this.#versionUnavailable = verdict.versionUnavailable
    }
    if (verdict.quiet) this.#log.debug({ resource: this.#name, reason: verdict.reason }, 'watch is renewed')
    else {
      const failure = describeFailure(error, this.#failure)
      if (failure.message !== this.#failure?.message)
        this.#log.warn({ err: error, resource: this.#name }, failure.message)
      this.#failure = failure
      // Not allowed, or gone again: what is optional does not hold up the rest.
      if (this.resource.optional && (failure.status === 403 || failure.status === 404))
        this.#options.onSynced()
    }
    if (verdict.wait) await this.#backoff.wait(this.#stop.signal, { atLeastMs: verdict.retryAfterMs })
  }
}

interface Listed {
  readonly version: string
  /** undefined: invalid */
  readonly object: AnyObject | undefined
}

function versionOf({ object }: WatchEvent): string {
  const { resourceVersion } = (object['metadata'] ?? {}) as { resourceVersion?: unknown }
  return typeof resourceVersion === 'string' ? resourceVersion : ''
}
