import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { compactObject } from '../compact/compact.ts'
import type { AnyObject, Kind } from '../objects/kinds.ts'
import type { Change, Sink, Source, SourceStatus } from '../source.ts'
import { readSnapshot, type Snapshot } from './snapshot-file.ts'
import type { SnapshotMetrics } from './snapshot-metrics.ts'

export interface SnapshotSourceOptions {
  readonly source: Source
  readonly file: string
  readonly scope: string
  readonly log: Logger
  readonly metrics: SnapshotMetrics
  /** how long the source is given to sync before the snapshot stands in, milliseconds */
  readonly graceMs: number
}

/**
 * A source that begins with what was last known while its server is away. Each kind is the
 * snapshot's until the server lists it; that list replaces it, so that only true differences are
 * changes: nothing is deleted in between.
 */
export class SnapshotSource implements Source {
  readonly name: string
  readonly standalone: boolean
  readonly #options: SnapshotSourceOptions
  /** kinds the source has delivered itself */
  readonly #live = new Set<Kind>()
  /** kinds which are the snapshot's */
  #stale = new Set<Kind>()
  #snapshot: Snapshot | undefined

  constructor(options: SnapshotSourceOptions) {
    this.#options = options
    this.name = options.source.name
    this.standalone = options.source.standalone
  }

  async start(sink: Sink): Promise<void> {
    const { source, log, graceMs } = this.#options
    const live = source.start({
      apply: (changes, options) => sink.apply(changes, options),
      replace: (kind, objects, options) => {
        this.#live.add(kind)
        sink.replace(kind, objects, options)
        if (this.#stale.delete(kind)) this.#caughtUp(kind)
      },
      replaceAll: (kinds, objects, options) => {
        sink.replaceAll(kinds, objects, options)
        for (const kind of kinds) {
          this.#live.add(kind)
          if (this.#stale.delete(kind)) this.#caughtUp(kind)
        }
      },
    })
    const grace = new AbortController()
    const waited = sleep(graceMs, 'late' as const, { signal: grace.signal }).catch(() => 'late' as const)
    const first = await Promise.race([live.then(() => 'live' as const), waited])
    grace.abort()
    if (first === 'live') return
    const snapshot = await this.#read()
    if (snapshot === undefined) return live
    live.catch((error: unknown) =>
      log.error({ err: error }, 'the source failed; the snapshot goes on being served'),
    )
    this.#use(snapshot, sink)
  }

  /** True while kinds are served from the snapshot. */
  get stale(): boolean {
    return this.#stale.size > 0
  }

  async demand(kind: Kind): Promise<void> {
    await this.#options.source.demand?.(kind)
  }

  stop(): Promise<void> {
    return this.#options.source.stop()
  }

  status(): SourceStatus {
    const status = this.#options.source.status()
    if (this.#stale.size === 0 || this.#snapshot === undefined) return status
    const kinds = [...this.#stale].sort().join(', ')
    const detail = `serving ${kinds} from the snapshot of ${this.#snapshot.written}; ${status.detail ?? 'the source is not in step yet'}`
    return { ...status, synced: true, current: false, detail }
  }

  async #read(): Promise<Snapshot | undefined> {
    const { file, scope, log } = this.#options
    try {
      return await readSnapshot(file, scope)
    } catch (error) {
      log.warn({ err: error }, error instanceof Error ? error.message : 'the snapshot cannot be used')
      return undefined
    }
  }

  /** One step: what depends on several kinds (endpoints of Services) is whole from the beginning. */
  #use(snapshot: Snapshot, sink: Sink): void {
    const { log, file, metrics } = this.#options
    this.#snapshot = snapshot
    const changes: Change[] = []
    for (const [kind, objects] of snapshot.objects) {
      if (this.#live.has(kind)) continue
      this.#stale.add(kind)
      for (const object of objects as readonly AnyObject[]) changes.push({ object: compactObject(object) })
    }
    sink.apply(changes)
    if (this.#stale.size > 0) metrics.serving(1)
    log.warn(
      { file, written: snapshot.written, objects: changes.length },
      'the API server does not answer: serving the last known state',
    )
  }

  #caughtUp(kind: Kind): void {
    const { log, metrics } = this.#options
    log.debug({ kind }, 'the snapshot has been replaced')
    if (this.#stale.size > 0) return
    metrics.serving(0)
    log.info('the API server is back: everything served is its state')
  }
}
