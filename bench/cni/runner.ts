import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Execution {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly input: string
}

export interface Measured {
  readonly status: number
  readonly stdout: string
  /** Milliseconds from starting the program to its end. */
  readonly wall: number
  /** Milliseconds of CPU of the program and of everything it has waited for. */
  readonly cpu: number
}

/** Starts programs from a small process (runner.py) and measures them there. */
export class Runner {
  readonly #child: ChildProcess
  readonly #replies: AsyncIterator<string>

  constructor() {
    this.#child = spawn('/usr/bin/python3', [join(import.meta.dirname, 'runner.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const { stdout } = this.#child
    if (stdout === null) throw new Error('runner.py has no stdout')
    this.#replies = createInterface({ input: stdout })[Symbol.asyncIterator]()
  }

  async run(execution: Execution): Promise<Measured> {
    this.#child.stdin?.write(`${JSON.stringify(execution)}\n`)
    const { value, done } = await this.#replies.next()
    if (done === true) throw new Error('runner.py has ended')
    return JSON.parse(value) as Measured
  }

  stop(): void {
    this.#child.stdin?.end()
  }
}

/** CPU milliseconds of all threads of a process, to the nanosecond (the ticks of /proc/PID/stat are 10 ms long). */
export function threadCpuMs(pid: number): number {
  let sum = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1e6
    } catch {
      // ended meanwhile
    }
  }
  return sum
}
