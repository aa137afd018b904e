/**
 * Gathers paths on which something happens and hands each over once it has been quiet for `quietMs`,
 * or `atMostMs` after the first event however busy it is.
 */
export class Settling {
  readonly #quietMs: number
  readonly #atMostMs: number
  readonly #settled: (paths: ReadonlySet<string>, since: number) => void
  readonly #waiting = new Map<string, { first: number; due: number }>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: {
    quietMs: number
    atMostMs: number
    /** `since`: performance.now() of the oldest event behind these paths */
    settled: (paths: ReadonlySet<string>, since: number) => void
  }) {
    this.#quietMs = options.quietMs
    this.#atMostMs = options.atMostMs
    this.#settled = options.settled
  }

  /** Something happened to a path. */
  touch(path: string): void {
    const now = performance.now()
    const first = this.#waiting.get(path)?.first ?? now
    this.#waiting.set(path, { first, due: Math.min(now + this.#quietMs, first + this.#atMostMs) })
    this.#arm()
  }

  /** Asks for a path to be handed over again after a while, unless it is touched before. */
  again(path: string, afterMs: number): void {
    const now = performance.now()
    this.#waiting.set(path, { first: now, due: now + afterMs })
    this.#arm()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#waiting.clear()
  }

  #arm(): void {
    clearTimeout(this.#timer)
    if (this.#waiting.size === 0) return
    let due = Number.POSITIVE_INFINITY
    for (const entry of this.#waiting.values()) due = Math.min(due, entry.due)
    this.#timer = setTimeout(() => this.#fire(), Math.max(0, due - performance.now()))
  }

  #fire(): void {
    // Timers may fire up to a millisecond early.
    const now = performance.now() + 1
    const paths = new Set<string>()
    let since = now
    for (const [path, { first, due }] of this.#waiting) {
      if (due > now) continue
      paths.add(path)
      since = Math.min(since, first)
      this.#waiting.delete(path)
    }
    this.#arm()
    if (paths.size > 0) this.#settled(paths, since)
  }
}
