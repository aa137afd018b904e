import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { feedReplica, type Kind, type ReplicaFeed, type Store } from '#watch'
import { DnsError } from '../errors.ts'
import type { FamilySamples } from '../metrics/metrics.ts'
import { type FromWorker, type Order, replicaDescriptor, type ToWorker } from './messages.ts'

/** A worker that does not answer a scrape is left out of it. */
const scrapeTimeoutMs = 2000
/** longer than listeners give answers that are under way */
const stopTimeoutMs = 8000

export interface WorkerOptions {
  readonly number: number
  readonly store: Store | undefined
  /** what its replica holds */
  readonly kinds: readonly Kind[]
  readonly log: Logger
  readonly onExit: () => void
}

/** The primary's end of one worker process. */
export class Worker {
  troubles: readonly string[] = []
  /** what it had counted when it was last asked */
  counted: readonly FamilySamples[] = []
  readonly #options: WorkerOptions
  readonly #child: ChildProcess
  readonly #feed: ReplicaFeed | undefined
  readonly #scrapes = new Map<number, (families: readonly FamilySamples[]) => void>()
  /** it was told to end: no reason to start another one */
  stopping = false
  #served: ((failed: string | undefined) => void) | undefined
  #scrapeId = 0

  constructor(options: WorkerOptions) {
    this.#options = options
    const { log, number, store, kinds } = options
    const program = new URL('./main.ts', import.meta.url).pathname
    this.#child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc', 'pipe'],
      serialization: 'advanced',
      env: { ...process.env, PLEXUS_DNS_LOG_LEVEL: log.level },
    })
    this.#child.on('message', (message: FromWorker) => this.#take(message))
    this.#child.on('error', () => this.#gone())
    this.#child.on('exit', () => this.#gone())
    if (this.#child.stdout !== null) relayLog(this.#child.stdout, log.child({ worker: number }))
    const stream = this.#child.stdio[replicaDescriptor] as Duplex
    this.#feed =
      store === undefined ? undefined : feedReplica({ store, kinds, stream, name: `dns ${number}`, log })
  }

  /** True if its replica holds what is asked for. */
  holds(kinds: readonly Kind[]): boolean {
    return kinds.every((kind) => this.#options.kinds.includes(kind))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Resolves when the worker serves it. Throws DnsError DNS_WORKER when it does not or ends. */
  async serve(order: Order): Promise<void> {
    const failed = await new Promise<string | undefined>((resolve) => {
      this.#served = resolve
      this.#tell({ type: 'serve', replica: this.#feed !== undefined, ...order })
    })
    if (failed !== undefined)
      throw new DnsError('DNS_WORKER', `worker process ${this.#options.number}: ${failed}`)
  }

  /** The worker's metrics; none when it does not say. */
  scrape(): Promise<readonly FamilySamples[]> {
    const id = ++this.#scrapeId
    return new Promise((resolve) => {
      const finish = (families: readonly FamilySamples[]): void => {
        clearTimeout(timer)
        this.#scrapes.delete(id)
        resolve(families)
      }
      const timer = setTimeout(() => finish([]), scrapeTimeoutMs)
      this.#scrapes.set(id, finish)
      this.#tell({ type: 'scrape', id })
    })
  }

  /** Lets it answer what is under way; resolves when the process has ended. */
  async stop(): Promise<void> {
    this.stopping = true
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
    const ended = once(child, 'exit')
    await this.scrape()
    this.#tell({ type: 'stop' })
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    await ended
    clearTimeout(timer)
  }

  #take(message: FromWorker): void {
    if (message.type === 'serving') this.#answer(undefined)
    else if (message.type === 'failed') this.#answer(message.reason)
    else if (message.type === 'samples') {
      this.counted = message.families
      this.#scrapes.get(message.id)?.(message.families)
    } else this.troubles = message.troubles
  }

  #answer(failed: string | undefined): void {
    const served = this.#served
    this.#served = undefined
    served?.(failed)
  }

  #gone(): void {
    this.#feed?.close()
    this.#answer('the process ended')
    for (const finish of [...this.#scrapes.values()]) finish([])
    this.#options.onExit()
  }

  #tell(message: ToWorker): void {
    // The channel of a worker that is going takes nothing; its exit is reported by itself.
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }
}

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
const levels: Readonly<Record<number, Level>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
}

/** The worker's log lines become lines of the primary's log. */
function relayLog(stdout: NodeJS.ReadableStream, log: Logger): void {
  createInterface({ input: stdout }).on('line', (line) => {
    try {
      const {
        level,
        time: _,
        msg,
        ...fields
      } = JSON.parse(line) as {
        level: number
        time: number
        msg?: string
      }
      log[levels[level] ?? 'info'](fields, msg)
    } catch {
      log.warn({ line }, 'a worker wrote something else than a log line')
    }
  })
}
