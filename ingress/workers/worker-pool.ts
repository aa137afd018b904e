import type { Logger } from 'pino'
import type { GatewayConfig } from '../config/gateway-config.ts'
import type { ObjectChange } from '../objects/index.ts'
import { forgetConnections } from '../plugins/limit-conn/connections.ts'
import type { MetricSamples } from './messages.ts'
import type { SharedState } from './shared-memory.ts'
import { Worker } from './worker.ts'

const FIRST_RESTART_MS = 100
const LAST_RESTART_MS = 10_000
/** A worker that lived this long has not failed at its start. */
const SETTLED_MS = 10_000
/** Metrics of one scrape are asked for one by one and share an answer. */
const SCRAPE_KEPT_MS = 200
const APPLY_MS = 2000

export interface WorkerPoolOptions {
  /** With the addresses the primary has bound. */
  readonly config: () => GatewayConfig
  readonly log: Logger
  /** Every object there is, for a worker that starts. */
  readonly objects: () => readonly ObjectChange[]
  readonly shared: () => SharedState
  /** The metrics of all processes as text. */
  readonly exposition: () => Promise<string>
}

/** The worker processes beside the primary: all listen on the same ports, and the kernel spreads clients over them. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #workers = new Map<number, Worker>()
  readonly #timers = new Map<number, NodeJS.Timeout>()
  readonly #delays = new Map<number, number>()
  #revision = 0
  #size = 0
  #stopped = false
  #scraped: { at: number; samples: Promise<readonly MetricSamples[]> } | undefined

  constructor(options: WorkerPoolOptions) {
    this.#options = options
  }

  /**
   * From now on there are that many workers, and they serve with the configuration as it is now. Resolves once all do; one
   * that fails is started again later.
   */
  async resize(size: number): Promise<void> {
    this.#size = size
    const { config, objects } = this.#options
    const changes: Promise<void>[] = []
    for (const [number, worker] of this.#workers) {
      // Those that are too many end when their requests have.
      if (number > size) void worker.stop(config().shutdownTimeout)
      else changes.push(this.#serve(number, worker, config(), objects()))
    }
    for (let number = 1; number <= size; number++)
      if (!this.#workers.has(number) && !this.#timers.has(number)) changes.push(this.#start(number))
    await Promise.all(changes)
  }

  get pids(): readonly number[] {
    return [...this.#workers.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]))
  }

  /** How many workers are away just now. */
  get missing(): number {
    return this.#timers.size
  }

  apply(changes: readonly ObjectChange[]): void {
    this.#revision++
    for (const worker of this.#workers.values()) worker.apply(this.#revision, changes)
  }

  /** Resolves once every worker uses what was applied so far, or after a moment. */
  async settled(): Promise<void> {
    if (this.#workers.size === 0) return
    const revision = this.#revision
    const all = Promise.all([...this.#workers.values()].map((worker) => worker.whenApplied(revision)))
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, APPLY_MS)
    })
    await Promise.race([all, late])
    clearTimeout(timer)
  }

  /** What all workers have counted. */
  scrape(): Promise<readonly MetricSamples[]> {
    const now = performance.now()
    if (this.#scraped === undefined || now - this.#scraped.at > SCRAPE_KEPT_MS) {
      const answers = Promise.all([...this.#workers.values()].map((worker) => worker.scrape()))
      this.#scraped = { at: now, samples: answers.then((all) => all.flat()) }
    }
    return this.#scraped.samples
  }

  async #start(number: number): Promise<void> {
    this.#timers.delete(number)
    if (this.#stopped || number > this.#size) return
    const { config, log, objects, shared, exposition } = this.#options
    const memory = shared().fd
    if (memory === undefined) throw new Error('there is no memory to share with a worker')
    const begun = performance.now()
    const worker = new Worker({
      number,
      log,
      memory,
      exposition,
      onExit: () => this.#ended(number, performance.now() - begun),
    })
    this.#workers.set(number, worker)
    await this.#serve(number, worker, config(), objects())
  }

  async #serve(number: number, worker: Worker, ...what: Parameters<Worker['serve']>): Promise<void> {
    try {
      // Later changes follow on the same channel, so nothing is missed in between.
      const serving = worker.serve(...what)
      worker.apply(this.#revision, [])
      await serving
    } catch (error) {
      if (this.#stopped) return
      this.#options.log.error({ worker: number, err: error }, 'a worker does not serve; it is started again')
      await worker.stop(0)
    }
  }

  #ended(number: number, livedMs: number): void {
    this.#workers.delete(number)
    if (this.#stopped) return
    forgetConnections(this.#options.shared().records, number)
    if (number > this.#size) return
    const before = livedMs > SETTLED_MS ? 0 : (this.#delays.get(number) ?? 0)
    const delay = before === 0 ? FIRST_RESTART_MS : Math.min(LAST_RESTART_MS, before * 2)
    this.#delays.set(number, delay)
    this.#options.log.warn({ worker: number, againInMs: delay }, 'a worker ended')
    this.#timers.set(
      number,
      setTimeout(() => void this.#start(number), delay),
    )
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopped = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop(graceMs)))
  }
}
