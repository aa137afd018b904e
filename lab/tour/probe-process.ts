import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { LabError } from '../errors.ts'

/** One answer a probe got. */
export interface ProbeResult {
  /** Wall clock when the answer came, in milliseconds with fraction. */
  readonly at: number
  readonly ok: boolean
  /** http: the pod that answered. */
  readonly pod?: string
  /** dns: the addresses, sorted. */
  readonly addresses?: readonly string[]
  readonly error?: string
}

/** Wall clock in milliseconds with fraction: comparable between processes of one machine. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}

/** A running `probe.ts`, with everything it reported so far. */
export class Probe {
  readonly results: ProbeResult[] = []
  readonly #child: ChildProcess
  #stderr = ''

  constructor(options: { argv: readonly string[]; env: Record<string, string> }) {
    const [command = '', ...args] = options.argv
    this.#child = spawn(command, args, { env: options.env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.on('error', (error) => (this.#stderr += error.message))
    this.#child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.#stderr += chunk))
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        this.results.push(JSON.parse(line) as ProbeResult)
      })
    }
  }

  get failures(): readonly ProbeResult[] {
    return this.results.filter(({ ok }) => !ok)
  }

  /** Results that came at or after a moment. */
  since(at: number): ProbeResult[] {
    return this.results.filter((result) => result.at >= at)
  }

  /** Resolves to the first result from a moment on that fits; throws after the timeout. */
  async first(
    fits: (result: ProbeResult) => boolean,
    options: { since: number; timeoutMs: number; what: string; signal: AbortSignal },
  ): Promise<ProbeResult> {
    const deadline = performance.now() + options.timeoutMs
    for (;;) {
      const found = this.since(options.since).find(fits)
      if (found !== undefined) return found
      if (performance.now() > deadline || this.#child.exitCode !== null) {
        const last = this.results.at(-1)
        const detail = this.#stderr.trim() || (last === undefined ? 'no answer at all' : JSON.stringify(last))
        throw new LabError(
          'LAB_NOT_READY',
          `${options.what}: not within ${options.timeoutMs / 1000} s (last: ${detail})`,
        )
      }
      await sleep(2, undefined, { signal: options.signal })
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined)
      return
    const gone = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGTERM')
    await gone
  }
}
