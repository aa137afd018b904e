import type { Logger } from 'pino'
import type { Kind } from '../../objects/kinds.ts'
import type { Key } from '../../objects/meta.ts'
import { ApiError } from '../errors.ts'
import type { ObjectWriter } from './object-writer.ts'

type Raw = Readonly<Record<string, unknown>>

/** The status an object should have. */
export interface WantedStatus {
  readonly kind: Kind
  readonly key: Key
  /** what is wanted, as text: written again only when it differs */
  readonly text: string
  /** makes the status of the object as it is; undefined: it is right already */
  readonly change: (current: Raw) => Raw | undefined
}

export interface StatusReconcilerOptions {
  readonly writer: ObjectWriter
  readonly log: Logger
  /** only the elected one writes */
  readonly leading: () => boolean
  readonly wanted: () => Iterable<WantedStatus>
  /** from a change to the writing of it: changes come in groups (1 s) */
  readonly settleMs?: number | undefined
  /** between looks without a change, and before what failed is tried again (30 s) */
  readonly againMs?: number | undefined
  /** how often all are read again, in case somebody else wrote over them (10 min) */
  readonly verifyMs?: number | undefined
}

/** Keeps the status of objects as wanted, one write at a time, at the rate the client allows. */
export class StatusReconciler {
  readonly #options: StatusReconcilerOptions
  readonly #written = new Map<string, string>()
  readonly #refused = new Set<Kind>()
  #verified = performance.now()
  #timer: NodeJS.Timeout | undefined
  #due = Number.POSITIVE_INFINITY
  #running: Promise<void> | undefined
  #stopped = false

  constructor(options: StatusReconcilerOptions) {
    this.#options = options
    this.#schedule(options.settleMs ?? 1000)
  }

  /** Something changed on which a status depends. */
  touch(): void {
    this.#schedule(this.#options.settleMs ?? 1000)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #schedule(inMs: number): void {
    const due = performance.now() + inMs
    if (this.#stopped || due >= this.#due) return
    this.#due = due
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#due = Number.POSITIVE_INFINITY
      this.#running = (this.#running ?? Promise.resolve()).then(() => this.#pass())
    }, inMs)
    this.#timer.unref()
  }

  async #pass(): Promise<void> {
    const { leading, wanted, againMs = 30_000, verifyMs = 600_000 } = this.#options
    if (performance.now() - this.#verified >= verifyMs) {
      // What is right still is read, and not written. Rights may have been given meanwhile.
      this.#written.clear()
      this.#refused.clear()
      this.#verified = performance.now()
    }
    if (leading()) {
      const present = new Set<string>()
      for (const status of [...wanted()]) {
        if (this.#stopped || !leading()) break
        const id = `${status.kind} ${status.key}`
        present.add(id)
        if (this.#written.get(id) !== status.text && !this.#refused.has(status.kind))
          await this.#write(id, status)
      }
      if (leading())
        for (const id of [...this.#written.keys()]) if (!present.has(id)) this.#written.delete(id)
    } else this.#written.clear()
    this.#schedule(againMs)
  }

  async #write(id: string, { kind, key, text, change }: WantedStatus): Promise<void> {
    const { writer, log } = this.#options
    try {
      await writer.updateStatus(kind, key, change)
      this.#written.set(id, text)
    } catch (error) {
      // No right to write it, or a CRD without the status subresource: the next attempt will not fare better.
      if (error instanceof ApiError && (error.status === 403 || error.status === 404)) this.#refused.add(kind)
      log.warn({ err: error, object: id }, 'its status could not be written')
    }
  }
}
