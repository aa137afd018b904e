import type { Logger } from 'pino'
import type { Store } from '#watch'
import { addCounts, type FamilySamples } from '../metrics/metrics.ts'
import { kindsFor } from './kinds.ts'
import type { Order } from './messages.ts'
import { Worker } from './worker.ts'

/** before a worker that ended is started again; doubled each time it ends soon after */
const firstRestartMs = 100
const lastRestartMs = 10_000
/** a worker that lived this long has not failed at its start */
const settledMs = 10_000
/** scrapes of one look at the metrics share an answer */
const scrapeKeptMs = 200

/** The worker processes beside the primary: all serve the same addresses and ports; the kernel spreads clients over them. */
export class WorkerPool {
  readonly #options: { store: Store | undefined; log: Logger }
  readonly #workers = new Map<number, Worker>()
  /** of workers that ended, until another one serves in their place */
  readonly #restarts = new Map<number, NodeJS.Timeout>()
  readonly #delays = new Map<number, number>()
  #order: Order | undefined
  #size = 0
  #stopped = false
  /** counts of workers that have ended */
  #departed: readonly FamilySamples[] = []
  #scraped: { at: number; families: Promise<readonly FamilySamples[]> } | undefined

  constructor(options: { readonly store: Store | undefined; readonly log: Logger }) {
    this.#options = options
  }

  /** Brings every worker to serve `order`, and their number to `size`. A worker that cannot is started anew, and told of. */
  async serve(order: Order, size: number): Promise<void> {
    this.#order = order
    this.#size = size
    for (const number of this.#restarts.keys()) if (number > size) this.#forgetRestart(number)
    const kinds = kindsFor(order.corefile)
    const surplus = [...this.#workers].filter(([number, worker]) => number > size || !worker.holds(kinds))
    await Promise.all(surplus.map(([, worker]) => worker.stop()))
    await Promise.all([
      ...[...this.#workers]
        .filter(([number]) => number <= size)
        .map(([number, worker]) => this.#hand(number, worker, order)),
      ...Array.from({ length: size }, (_, i) => i + 1)
        .filter((number) => !this.#workers.has(number))
        .map((number) => this.#start(number)),
    ])
  }

  /** The processes that serve now, by number. */
  pids(): ReadonlyMap<number, number> {
    return new Map(
      [...this.#workers].flatMap(([number, { pid }]) => (pid === undefined ? [] : [[number, pid]])),
    )
  }

  troubles(): string[] {
    const own = [...this.#workers].flatMap(([number, worker]) =>
      worker.troubles.map((trouble) => `worker ${number}: ${trouble}`),
    )
    const away = [...this.#restarts.keys()].map((number) => `worker ${number} ended and is started again`)
    return [...own, ...away]
  }

  /** What all workers have counted. */
  scrape(): Promise<readonly FamilySamples[]> {
    const now = performance.now()
    if (this.#scraped === undefined || now - this.#scraped.at > scrapeKeptMs) {
      const answers = Promise.all([...this.#workers.values()].map((worker) => worker.scrape()))
      this.#scraped = { at: now, families: answers.then((all) => [...this.#departed, ...all.flat()]) }
    }
    return this.#scraped.families
  }

  /** Resolves when all have answered what was under way and ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of this.#restarts.values()) clearTimeout(timer)
    this.#restarts.clear()
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()))
  }

  async #start(number: number): Promise<void> {
    const order = this.#order
    if (this.#stopped || order === undefined || number > this.#size || this.#workers.has(number)) return
    const begun = performance.now()
    const worker: Worker = new Worker({
      ...this.#options,
      kinds: kindsFor(order.corefile),
      number,
      onExit: () => {
        this.#departed = addCounts(this.#departed, worker.counted)
        this.#scraped = undefined
        this.#workers.delete(number)
        if (!worker.stopping) this.#ended(number, performance.now() - begun)
      },
    })
    this.#workers.set(number, worker)
    await this.#hand(number, worker, order)
  }

  async #hand(number: number, worker: Worker, order: Order): Promise<void> {
    try {
      await worker.serve(order)
      this.#forgetRestart(number)
    } catch (error) {
      // When it ended by itself it is taken care of.
      if (this.#stopped || this.#workers.get(number) !== worker) return
      this.#options.log.error(
        { err: error },
        'a DNS worker does not serve the configuration; it is started anew',
      )
      await worker.stop()
      this.#ended(number, 0)
    }
  }

  #ended(number: number, livedMs: number): void {
    if (this.#stopped || number > this.#size) return
    const before = livedMs > settledMs ? 0 : (this.#delays.get(number) ?? 0)
    const delay = before === 0 ? firstRestartMs : Math.min(lastRestartMs, before * 2)
    this.#delays.set(number, delay)
    this.#options.log.warn({ worker: number, againInMs: delay }, 'a DNS worker ended')
    const timer = setTimeout(() => void this.#start(number), delay)
    timer.unref()
    this.#forgetRestart(number)
    this.#restarts.set(number, timer)
  }

  #forgetRestart(number: number): void {
    clearTimeout(this.#restarts.get(number))
    this.#restarts.delete(number)
  }
}
