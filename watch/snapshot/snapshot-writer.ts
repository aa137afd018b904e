import type { Logger } from 'pino'
import { kinds } from '../objects/kinds.ts'
import type { Subscription } from '../store/change-set.ts'
import type { Store } from '../store/store.ts'
import { writeSnapshot } from './snapshot-file.ts'
import type { SnapshotMetrics } from './snapshot-metrics.ts'

export interface SnapshotWriterOptions {
  readonly store: Store
  readonly file: string
  readonly scope: string
  readonly log: Logger
  readonly metrics: SnapshotMetrics
  /** false while the state is itself a snapshot's: writing it again would make it look new */
  readonly worthwhile: () => boolean
  /** at least this long between two writes, milliseconds */
  readonly everyMs: number
  /** no more than this on average: a large cluster is written less often */
  readonly bytesPerSecond: number
}

/** Writes a snapshot when something changed, within bounds; the last time when it is closed. */
export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions
  readonly #subscription: Subscription
  #dirty = false
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #notBefore = 0
  #closed = false

  constructor(options: SnapshotWriterOptions) {
    this.#options = options
    this.#subscription = options.store.subscribe(
      { name: 'snapshot', kinds, coalesceMs: Math.min(1000, options.everyMs) },
      () => this.#touch(),
    )
  }

  async close(): Promise<void> {
    this.#closed = true
    // What changed last may still wait for others to come with it.
    this.#subscription.flush()
    this.#subscription.close()
    clearTimeout(this.#timer)
    await this.#writing
    if (this.#dirty) await this.#write()
  }

  #touch(): void {
    this.#dirty = true
    if (this.#timer !== undefined || this.#writing !== undefined || this.#closed) return
    const wait = Math.max(0, this.#notBefore - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#writing = this.#write().finally(() => {
        this.#writing = undefined
        if (this.#dirty) this.#touch()
      })
    }, wait)
    this.#timer.unref()
  }

  async #write(): Promise<void> {
    const { store, file, scope, log, metrics, worthwhile, everyMs, bytesPerSecond } = this.#options
    this.#notBefore = performance.now() + everyMs
    // What came while part was still the snapshot's is written as soon as none is.
    if (!worthwhile()) return
    this.#dirty = false
    try {
      // References taken now: objects never change, so this is one moment of the store.
      const contents = kinds.map((kind) => [kind, [...store.list(kind)]] as const)
      const bytes = await writeSnapshot(file, { scope, kinds: contents })
      this.#notBefore = performance.now() + Math.max(everyMs, (bytes / bytesPerSecond) * 1000)
      metrics.written({ bytes })
    } catch (error) {
      this.#dirty = true
      metrics.failed()
      log.error({ err: error, file }, 'snapshot of the watch cache could not be written')
    }
  }
}
