import type { Logger } from 'pino'
import type { Catalogue, Kind, ObjectChange } from '../objects/index.ts'
import type { CommitOptions, Committed, ObjectStorage } from './object-storage.ts'
import type { Journal } from './storage.ts'

// setTimeout takes no longer delays.
const LONGEST_MS = 2 ** 31 - 1

/** Objects of one gateway, in a journal below its data directory, or in memory only without one. */
export class EmbeddedStorage implements ObjectStorage {
  readonly #catalogue: Catalogue
  readonly #journal: Journal | undefined
  readonly #log: Logger
  readonly #timers = new Map<string, NodeJS.Timeout>()
  #leases = 0
  #last: Promise<unknown> = Promise.resolve()

  constructor(catalogue: Catalogue, journal: Journal | undefined, log: Logger) {
    this.#catalogue = catalogue
    this.#journal = journal
    this.#log = log
    for (const { kind, id, expires } of journal?.expiring ?? []) this.#expire(kind, id, expires)
  }

  commit(change: ObjectChange, options: CommitOptions = {}): Promise<Committed> {
    const turn = this.#last.then(() => this.#commit(change, options))
    this.#last = turn.catch(() => {})
    return turn
  }

  async #commit(change: ObjectChange, { ttl }: CommitOptions): Promise<Committed> {
    const expires = ttl === undefined ? undefined : Date.now() + ttl * 1000
    await this.#journal?.append(change, expires)
    this.#catalogue.apply([change], 'admin')
    const name = `${change.kind}/${change.id}`
    clearTimeout(this.#timers.get(name))
    this.#timers.delete(name)
    if (expires === undefined) return {}
    this.#expire(change.kind, change.id, expires)
    return { lease: String(++this.#leases) }
  }

  #expire(kind: Kind, id: string, at: number): void {
    const delay = Math.min(LONGEST_MS, Math.max(0, at - Date.now()))
    const timer = setTimeout(() => {
      if (at > Date.now()) {
        this.#expire(kind, id, at)
        return
      }
      this.commit({ kind, id, value: undefined } as ObjectChange).catch((error: unknown) =>
        this.#log.error({ object: `${kind}/${id}`, err: error }, 'an object whose time is up stays'),
      )
    }, delay)
    this.#timers.set(`${kind}/${id}`, timer.unref())
  }

  async close(): Promise<void> {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    await this.#last
    this.#journal?.close()
  }
}
