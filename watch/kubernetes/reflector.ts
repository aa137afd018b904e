import type { Logger } from 'pino'
import type { Version } from '../compact/compact-object.ts'
import type { Problem, Sink } from '../source.ts'
import { Backoff } from './backoff.ts'
import { EventIntake, type Listing } from './event-intake.ts'
import { describeFailure, type Failure, judge } from './failure.ts'
import type { KindNeed } from './needs.ts'
import type { ReflectorMetrics } from './reflector-metrics.ts'
import type { ResourceRequests } from './resource-requests.ts'
import type { Resource } from './resources.ts'
import type { ReflectorTiming } from './timing.ts'
import { ShortWatchError, StalledListError } from './watch-errors.ts'
import { receivedVersion } from './wire/received.ts'

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
  readonly #intake: EventIntake
  readonly #backoff: Backoff
  readonly #stop = new AbortController()
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
    this.#intake = new EventIntake(options)
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
    const { version } = this.#intake
    return version === '' ? '0' : String(version)
  }

  async #list(): Promise<void> {
    const begun = performance.now()
    const listing: Listing = new Map()
    const version = await this.#options.requests.list({
      version: this.#listVersion,
      signal: this.#stop.signal,
      onItem: (item) => this.#intake.collect(listing, item),
    })
    this.#replace(listing, version, begun)
  }

  /** A list and a watch in one (KEP-3157). */
  async #streamList(): Promise<void> {
    const begun = performance.now()
    const listing: Listing = new Map()
    const stalled = new AbortController()
    const { progressMs } = this.#options.timing
    // Servers before 1.27 do not know the parameter and would never say that the list is complete.
    const timer = setTimeout(() => stalled.abort(new StalledListError(progressMs)), progressMs)
    try {
      await this.#follow({
        // The first time any complete state will do only where it is the latest: '' asks for that.
        version: this.#versionUnavailable ? '' : String(this.#intake.version),
        initial: true,
        signal: AbortSignal.any([this.#stop.signal, stalled.signal]),
        onEvents: (events) => {
          if (!this.#needsList) return this.#intake.apply(events)
          timer.refresh()
          for (const [index, event] of events.entries()) {
            if (!this.#intake.gather(listing, event)) continue
            clearTimeout(timer)
            this.#replace(listing, receivedVersion(event.object), begun)
            this.#intake.apply(events.slice(index + 1))
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

  #replace(listing: Listing, version: Version, begun: number): void {
    const { metrics } = this.#options
    const objects = this.#intake.replace(listing, version, begun)
    this.#needsList = false
    this.#versionUnavailable = false
    metrics.count('lists', this.#name, { reason: this.#listReason })
    metrics.listed(this.#name, (performance.now() - begun) / 1000)
    this.#listReason = 'watch failed'
    this.#well()
    if (this.#synced) return
    this.#synced = true
    this.#log.debug({ resource: this.#name, objects }, 'listed')
    this.#options.onSynced()
  }

  async #watch(): Promise<void> {
    const begun = performance.now()
    let events = 0
    await this.#follow({
      version: String(this.#intake.version),
      initial: false,
      signal: this.#stop.signal,
      onEvents: (batch) => {
        events += batch.length
        this.#intake.apply(batch)
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
