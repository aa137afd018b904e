import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Pod } from '#watch'
import type { KubeletContext } from './context.ts'
import { type PodRecord, specHash } from './pod-record.ts'
import { PodRun, takeApart } from './pod-run.ts'
import { podStatus, StatusFile } from './pod-status.ts'

const FIRST_RETRY_MS = 200
const LAST_RETRY_MS = 5000

/**
 * Brings one Pod name to what is wanted of it, one step at a time: starting, stopping and making anew never overlap
 * for the same Pod, while Pods do not wait for each other (kubelet's pod workers).
 */
export class PodWorker {
  readonly #context: KubeletContext
  readonly #log: Logger
  #desired: Pod | undefined
  #run: PodRun | undefined
  #former: PodRecord | undefined
  #working: Promise<void> | undefined
  #closed = new AbortController()
  #changed = new AbortController()

  /** @param former what a kubelet before this one recorded for the Pod */
  constructor(options: { context: KubeletContext; key: string; former?: PodRecord | undefined }) {
    this.#context = options.context
    this.#log = options.context.log.child({ object: `Pod ${options.key}` })
    this.#former = options.former
  }

  /** Nothing runs, nothing is wanted: the worker can be forgotten. */
  get idle(): boolean {
    return this.#working === undefined && this.#run === undefined && this.#desired === undefined
  }

  /** Says what is wanted from now on: this Pod, or none. Resolves when it is so. */
  want(pod: Pod | undefined): Promise<void> {
    this.#desired = pod
    this.#changed.abort()
    this.#changed = new AbortController()
    this.#working ??= this.#work()
    return this.#working
  }

  /** Lets the Pod run on without this kubelet. */
  async close(): Promise<void> {
    this.#closed.abort()
    this.#changed.abort()
    await this.#working
    this.#run?.leave()
  }

  async #work(): Promise<void> {
    // Begins in the next turn, when `#working` is set.
    await Promise.resolve()
    let retryMs = FIRST_RETRY_MS
    while (!this.#closed.signal.aborted && !this.#settled()) {
      try {
        await this.#step()
        retryMs = FIRST_RETRY_MS
      } catch (error) {
        this.#log.error({ err: error, retryInMs: retryMs }, 'cannot be brought to what is wanted')
        this.#report(error)
        await sleep(retryMs, undefined, { signal: this.#changed.signal }).catch(() => {})
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)
      }
    }
    // In the same turn as the last look at what is wanted: a wish that comes later starts new work.
    this.#working = undefined
  }

  #settled(): boolean {
    if (this.#former !== undefined) return false
    if (this.#desired === undefined) return this.#run === undefined
    return this.#run !== undefined && this.#run.specHash === specHash(this.#desired)
  }

  async #step(): Promise<void> {
    const pod = this.#desired
    if (this.#former !== undefined) {
      if (pod !== undefined) this.#run = await PodRun.adopt(this.#context, pod, this.#former)
      if (this.#run === undefined) await this.#discard(this.#former)
      this.#former = undefined
    } else if (this.#run !== undefined) {
      await this.#run.stop()
      this.#run = undefined
    } else if (pod !== undefined) {
      this.#run = await PodRun.start(this.#context, pod)
    }
  }

  async #discard(former: PodRecord): Promise<void> {
    this.#log.info('left over from before, taking it apart')
    new StatusFile(this.#context.lab.status, former).remove()
    await takeApart(this.#context, former)
  }

  /** Shows in the Pod's status why it does not come. */
  #report(error: unknown): void {
    const pod = this.#desired
    if (pod === undefined || this.#run !== undefined) return
    const message = error instanceof Error ? error.message : String(error)
    new StatusFile(this.#context.lab.status, pod.metadata).write(
      podStatus(pod, {
        podIPs: [],
        hostIP: this.#context.hostIP,
        startTime: new Date().toISOString(),
        containers: [],
        terminating: false,
        message,
      }),
    )
  }
}
