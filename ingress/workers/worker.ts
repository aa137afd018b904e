import { type ChildProcess, fork } from 'node:child_process'
import type { Logger } from 'pino'
import type { GatewayConfig } from '../config/gateway-config.ts'
import type { ObjectChange } from '../objects/index.ts'
import type { FromWorker, MetricSamples, ToWorker } from './messages.ts'

const SCRAPE_MS = 2000
/** Beyond the time running requests get, before a worker that does not end is killed. */
const KILL_MS = 2000

const LEVELS: Readonly<Record<number, 'debug' | 'info' | 'warn' | 'error'>> = {
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
}

export interface WorkerOptions {
  readonly number: number
  readonly log: Logger
  /** Of the shared memory. */
  readonly memory: number
  readonly exposition: () => Promise<string>
  readonly onExit: () => void
}

/** A worker process as the primary sees it. */
export class Worker {
  readonly #child: ChildProcess
  readonly #log: Logger
  readonly #exposition: () => Promise<string>
  readonly #exited = Promise.withResolvers<void>()
  #serving = Promise.withResolvers<void>()
  readonly #scrapes = new Map<number, (samples: readonly MetricSamples[]) => void>()
  readonly #waiting = new Set<{ readonly revision: number; done(): void }>()
  #ended = false
  #scrape = 0
  #applied = 0

  constructor(options: WorkerOptions) {
    const { number, log, memory, exposition, onExit } = options
    this.#exposition = exposition
    this.#log = log.child({ worker: number })
    this.#child = fork(new URL('./main.ts', import.meta.url), [], {
      serialization: 'advanced',
      // The memory's place in this list is MEMORY_FD.
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', memory],
      env: { ...process.env, PLEXUS_GATEWAY_LOG_LEVEL: log.level, PLEXUS_GATEWAY_PROCESS: String(number) },
    })
    this.#child.on('message', (message) => this.#on(message as FromWorker))
    this.#child.on('error', () => {})
    this.#child.on('exit', () => {
      this.#ended = true
      this.#serving.reject(new Error('the worker process ended'))
      for (const { done } of this.#waiting) done()
      for (const done of this.#scrapes.values()) done([])
      this.#exited.resolve()
      onExit()
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  #tell(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  #on(message: FromWorker): void {
    switch (message.type) {
      case 'serving':
        this.#serving.resolve()
        break
      case 'failed':
        this.#serving.reject(new Error(message.reason))
        break
      case 'applied':
        this.#applied = message.revision
        for (const { revision, done } of this.#waiting) if (revision <= message.revision) done()
        break
      case 'samples':
        this.#scrapes.get(message.id)?.(message.samples)
        break
      case 'expose':
        void this.#expose(message.id)
        break
      case 'log':
        this.#relay(message.line)
        break
    }
  }

  async #expose(id: number): Promise<void> {
    this.#tell({ type: 'exposition', id, text: await this.#exposition() })
  }

  #relay(line: string): void {
    const { level, msg, ...fields } = JSON.parse(line) as { level: number; msg?: string }
    this.#log[LEVELS[level] ?? 'error'](fields, msg)
  }

  /** Serves with this configuration from now on. Resolves once its ports are open. */
  serve(config: GatewayConfig, changes: readonly ObjectChange[]): Promise<void> {
    this.#serving = Promise.withResolvers<void>()
    this.#serving.promise.catch(() => {})
    if (this.#ended) this.#serving.reject(new Error('the worker process ended'))
    this.#tell({ type: 'serve', config, changes })
    return this.#serving.promise
  }

  apply(revision: number, changes: readonly ObjectChange[]): void {
    this.#tell({ type: 'apply', revision, changes })
  }

  /** Resolves once the worker uses that revision, or is gone. */
  whenApplied(revision: number): Promise<void> {
    if (this.#ended || this.#applied >= revision) return Promise.resolve()
    return new Promise((resolve) => {
      const waiter = {
        revision,
        done: () => {
          this.#waiting.delete(waiter)
          resolve()
        },
      }
      this.#waiting.add(waiter)
    })
  }

  /** What it has counted; nothing if it does not answer in time. */
  scrape(): Promise<readonly MetricSamples[]> {
    if (this.#ended) return Promise.resolve([])
    const id = ++this.#scrape
    return new Promise((resolve) => {
      const done = (samples: readonly MetricSamples[]) => {
        clearTimeout(timer)
        this.#scrapes.delete(id)
        resolve(samples)
      }
      const timer = setTimeout(done, SCRAPE_MS, [])
      this.#scrapes.set(id, done)
      this.#tell({ type: 'scrape', id })
    })
  }

  /** Lets running requests finish for `graceMs`; then it ends, if need be by force. */
  async stop(graceMs: number): Promise<void> {
    if (this.#ended) return
    this.#tell({ type: 'stop' })
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs + KILL_MS)
    await this.#exited.promise
    clearTimeout(timer)
  }
}
