import type { Logger } from 'pino'
import type { Container, Pod } from '#watch'
import { isAlive, type ProcessIdentity, signal } from '../process/identity.ts'
import { spawnDetached } from '../process/spawn.ts'
import { terminate } from '../process/terminate.ts'
import { lastLine } from './container-log.ts'
import type { ContainerRecord } from './pod-record.ts'
import type { ContainerView } from './pod-status.ts'
import { Readiness } from './readiness.ts'

/** kubelet waits 10 s to 5 min between restarts; the lab is for looking at, so it waits 0.5 to 10 s. */
const FIRST_BACK_OFF_MS = 500
const LAST_BACK_OFF_MS = 10_000
/** A container that ran this long starts again without waiting. */
const STEADY_MS = 30_000
/** How often to look after a process that another kubelet started: it is not our child, nobody tells us its end. */
const ADOPTED_POLL_MS = 200

export interface ContainerRunOptions {
  readonly pod: Pod
  readonly container: Container
  readonly address: string
  /** The command line, made anew for each start; undefined for a container that something else runs (the agent). */
  readonly command: (() => { argv: readonly string[]; env: Record<string, string> }) | undefined
  readonly logFile: string
  readonly log: Logger
  /** Told whenever process, state or readiness changed. */
  readonly onChange: () => void
}

/** One container of a running Pod: starts it, watches it, starts it again, asks for its readiness, stops it. */
export class ContainerRun {
  readonly #options: ContainerRunOptions
  readonly #log: Logger
  #process: ProcessIdentity | undefined
  #restarts = 0
  #backOffMs = FIRST_BACK_OFF_MS
  #startedAt = 0
  #exitCode: number | undefined
  #reason: string | undefined
  #unready: string | undefined
  #readiness: Readiness | undefined
  #timer: NodeJS.Timeout | undefined
  #stopping = false

  constructor(options: ContainerRunOptions) {
    this.#options = options
    this.#log = options.log.child({ container: options.container.name })
  }

  get record(): ContainerRecord {
    const running = this.#process === undefined ? {} : { process: this.#process }
    return { restarts: this.#restarts, ready: this.view.ready, ...running }
  }

  get view(): ContainerView {
    const external = this.#options.command === undefined
    const running = external || this.#process !== undefined
    return {
      name: this.#options.container.name,
      state: running ? 'running' : this.#exitCode === undefined ? 'waiting' : 'terminated',
      ready: running && !this.#stopping && (this.#readiness?.ready ?? true),
      restarts: this.#restarts,
      reason: running ? undefined : this.#reason,
      exitCode: running ? undefined : this.#exitCode,
      unready: running || this.#reason !== 'Completed' ? this.#unready : undefined,
    }
  }

  /** Starts the container, or takes over the process a former kubelet recorded. Never throws: failures are retried. */
  async begin(former?: ContainerRecord): Promise<void> {
    this.#restarts = former?.restarts ?? 0
    if (this.#options.command === undefined) return this.#probe(former)
    if (former?.process !== undefined && isAlive(former.process)) {
      this.#process = former.process
      this.#startedAt = performance.now()
      this.#log.info({ pid: former.process.pid }, 'adopted')
      this.#probe(former)
      this.#watchAdopted(former.process)
      return
    }
    if (former !== undefined) this.#restarts++
    await this.#start()
  }

  /** SIGTERM to the container's process group, SIGKILL after the grace period. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    this.#readiness?.stop()
    const running = this.#process
    if (running === undefined) return
    await terminate([running], { graceMs, group: true })
    this.#process = undefined
  }

  /** Lets go of the container without ending it. */
  leave(): void {
    this.#stopping = true
    clearTimeout(this.#timer)
    this.#readiness?.stop()
  }

  async #start(): Promise<void> {
    const { command, logFile } = this.#options
    if (this.#stopping || command === undefined) return
    this.#exitCode = undefined
    this.#unready = undefined
    try {
      const { child, identity } = await spawnDetached({ ...command(), logFile })
      if (this.#stopping) {
        signal(identity, 'SIGKILL', { group: true })
        return
      }
      this.#process = identity
      this.#startedAt = performance.now()
      child.once('exit', (code, name) => this.#ended(code ?? 128, name ?? undefined))
      // It may have ended between its start and the line above.
      if (child.exitCode !== null) this.#ended(child.exitCode, undefined)
      this.#log.info({ pid: identity.pid }, 'started')
      this.#probe()
      this.#options.onChange()
    } catch (error) {
      this.#log.error({ err: error }, 'cannot be started')
      this.#ended(127, undefined)
    }
  }

  #probe(former?: ContainerRecord): void {
    const { container, address } = this.#options
    const probe = container.readinessProbe
    this.#readiness?.stop()
    if (probe === undefined) return
    this.#readiness = new Readiness({
      container,
      probe,
      address,
      initially: former?.ready ?? false,
      enter: () => ['nsenter', '--net', '--mount', '--uts', '-t', String(this.#process?.pid ?? 'none'), '--'],
      onChange: (ready, why) => {
        this.#unready = why
        this.#log.info({ ready, why }, ready ? 'ready' : 'not ready')
        this.#options.onChange()
      },
    })
  }

  #watchAdopted(process: ProcessIdentity): void {
    this.#timer = setTimeout(() => {
      if (isAlive(process)) this.#watchAdopted(process)
      else this.#ended(137, undefined)
    }, ADOPTED_POLL_MS)
  }

  #ended(code: number, by: NodeJS.Signals | undefined): void {
    if (this.#stopping || this.#exitCode !== undefined) return
    this.#process = undefined
    this.#exitCode = code
    this.#readiness?.stop()
    this.#readiness = undefined
    const { restartPolicy } = this.#options.pod.spec
    const again = restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && code !== 0)
    if (performance.now() - this.#startedAt > STEADY_MS) this.#backOffMs = FIRST_BACK_OFF_MS
    const said = lastLine(this.#options.logFile)
    this.#unready = `ended with exit code ${code}${said === '' ? '' : `, its log with "${said}"`}`
    this.#reason = again ? 'CrashLoopBackOff' : code === 0 ? 'Completed' : 'Error'
    this.#log.warn({ exitCode: code, signal: by, restartInMs: again ? this.#backOffMs : undefined }, 'ended')
    this.#options.onChange()
    if (!again) return
    this.#timer = setTimeout(() => {
      this.#restarts++
      this.#start()
    }, this.#backOffMs)
    this.#backOffMs = Math.min(this.#backOffMs * 2, LAST_BACK_OFF_MS)
  }
}
