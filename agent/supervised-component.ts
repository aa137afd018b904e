import type { Logger } from 'pino'
import type { Component, ComponentHealth } from './component.ts'
import { messageOf } from './errors.ts'

const firstRetry = 500
const longestRetry = 30_000

/**
 * Keeps one component running: a start that fails (a port that is taken, a link that is not there yet) is retried with
 * back-off while the other components go on, and says why it is not ready.
 */
export class SupervisedComponent implements Component {
  readonly name: string
  #start: () => Promise<Component>
  #log: Logger
  #running: Component | undefined
  #failure: string | undefined = 'starting'
  #retry: NodeJS.Timeout | undefined
  #delay = firstRetry
  #stopped = false
  /** Starts, stops and restarts run one after the other. */
  #queue: Promise<void> = Promise.resolve()

  constructor(name: string, options: { start: () => Promise<Component>; log: Logger }) {
    this.name = name
    this.#start = options.start
    this.#log = options.log
  }

  get running(): Component | undefined {
    return this.#running
  }

  /** Resolves after the first attempt, whether or not it succeeded. */
  start(): Promise<void> {
    return this.#enqueue(() => this.#attempt())
  }

  /** Stops the component and starts it anew (with what `start` finds then): for a changed configuration. */
  restart(): Promise<void> {
    return this.#enqueue(async () => {
      clearTimeout(this.#retry)
      await this.#stopRunning()
      this.#delay = firstRetry
      await this.#attempt()
    })
  }

  /** Lets a component that can do so look at its own files again, while it goes on serving; one that is down is tried at once. */
  reload(): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#running === undefined) {
        clearTimeout(this.#retry)
        await this.#attempt()
        return
      }
      try {
        await this.#running.reload?.()
      } catch (error) {
        this.#log.error({ err: error }, 'not reloaded; what runs stays')
      }
    })
  }

  health(): ComponentHealth {
    return this.#running?.health() ?? { ok: false, detail: this.#failure }
  }

  stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#retry)
    return this.#enqueue(() => this.#stopRunning())
  }

  #enqueue(step: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(step, step)
    return this.#queue
  }

  async #attempt(): Promise<void> {
    if (this.#stopped || this.#running !== undefined) return
    const began = performance.now()
    try {
      this.#running = await this.#start()
      this.#failure = undefined
      this.#delay = firstRetry
      this.#log.info({ ms: Math.round(performance.now() - began) }, 'component serves')
    } catch (error) {
      this.#failure = messageOf(error)
      this.#log.error({ err: error, retryMs: this.#delay }, 'component did not start; will retry')
      this.#retry = setTimeout(() => void this.start(), this.#delay)
      this.#delay = Math.min(this.#delay * 2, longestRetry)
    }
  }

  async #stopRunning(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    this.#failure = 'stopped'
    try {
      await running?.stop()
    } catch (error) {
      this.#log.error({ err: error }, 'component did not stop cleanly')
    }
  }
}
