import { setTimeout as sleep } from 'node:timers/promises'

/** Batches with something in them, or under way. */
const busy = new Set<{ flush(): void; readonly idle: boolean }>()

/** Sends what all batches hold; resolves when it is out, or after `limitMs`. */
export async function flushBatches(limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs
  for (const batch of busy) batch.flush()
  while (busy.size > 0 && performance.now() < deadline) await sleep(10)
}

/** Collects entries and hands them on together: when there are enough, or some time after the first. */
export class Batch<T> {
  readonly #size: number
  readonly #delayMs: number
  readonly #limit: () => number
  readonly #send: (entries: readonly T[]) => Promise<void>
  #entries: T[] = []
  #timer: NodeJS.Timeout | undefined
  #sending = 0
  /** Entries given up because the receiver does not keep up. */
  dropped = 0

  constructor(options: {
    readonly size: number
    readonly delayMs: number
    /** Entries held at most, waiting or under way; what comes beyond is dropped. */
    readonly limit: number | (() => number)
    /** Must not reject. */
    readonly send: (entries: readonly T[]) => Promise<void>
  }) {
    this.#size = options.size
    this.#delayMs = options.delayMs
    const { limit } = options
    this.#limit = typeof limit === 'number' ? () => limit : limit
    this.#send = options.send
  }

  get idle(): boolean {
    return this.#sending === 0 && this.#entries.length === 0
  }

  push(entry: T): void {
    if (this.#entries.length + this.#sending >= this.#limit()) {
      this.dropped++
      return
    }
    this.#entries.push(entry)
    busy.add(this)
    if (this.#entries.length >= this.#size) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), this.#delayMs).unref()
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const entries = this.#entries
    if (entries.length === 0) return
    this.#entries = []
    this.#sending += entries.length
    void this.#send(entries).then(() => {
      this.#sending -= entries.length
      if (this.idle) busy.delete(this)
    })
  }
}
