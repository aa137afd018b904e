import { spawn } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Pod, Service } from '#watch'
import type { Cluster } from '../cluster/cluster.ts'
import { type Entry, enter } from '../cluster/enter.ts'
import { readState } from '../cluster/state.ts'
import { isAborted, LabError, throwIfAborted } from '../errors.ts'
import { labEnvironment } from '../process/spawn.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { Probe } from './probe-process.ts'
import { commandLine } from './shell-words.ts'

/** Where a command of the tour runs: a pod, a node, `outside`, or `host` (the visitor's machine itself). */
export type Place = string

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** No command of the tour takes longer unless something is broken. */
const COMMAND_TIMEOUT_MS = 20_000
const SHOWN_LINES = 4
const SHOWN_CHARACTERS = 150

/** What a step of the tour works with: commands inside the lab, shown as they are, and checks, shown as they came out. */
export class Tour {
  readonly cluster: Cluster
  readonly signal: AbortSignal
  readonly #terminal: Terminal
  readonly #probes = new Set<Probe>()
  #failed = 0

  constructor(cluster: Cluster, options: { terminal: Terminal; signal: AbortSignal }) {
    this.cluster = cluster
    this.signal = options.signal
    this.#terminal = options.terminal
  }

  /** Runs one step under its title; true if every check of it held. */
  async step(title: string, work: (tour: Tour) => Promise<void>): Promise<boolean> {
    throwIfAborted(this.signal)
    this.#terminal.line()
    this.#terminal.line(this.#terminal.paint(title, 'bold'))
    this.#failed = 0
    try {
      await work(this)
    } catch (error) {
      throwIfAborted(this.signal)
      if (isAborted(error)) throw error
      this.cluster.log.error({ err: error }, 'tour step failed')
      this.expect(false, error instanceof Error ? error.message : String(error))
    } finally {
      for (const probe of this.#probes) await probe.stop()
      this.#probes.clear()
    }
    return this.#failed === 0
  }

  /** Says how something came out. A step holds if all of these do. */
  expect(holds: boolean, text: string): void {
    if (!holds) this.#failed++
    this.#terminal.settle(`  ${this.#terminal.mark(holds)} ${text}`)
    this.cluster.log.info({ holds }, text)
  }

  /** Says something that is neither good nor bad. */
  note(text: string): void {
    this.#terminal.settle(`    ${this.#terminal.paint(text, 'dim')}`)
  }

  /** Shows a command line as the visitor would type it. */
  show(place: Place, argv: readonly string[]): void {
    const line = commandLine(this.cluster.layout.name, place, argv)
    this.#terminal.settle(`  ${this.#terminal.paint(`$ ${line}`, 'cyan')}`)
  }

  /** Runs a command somewhere in the lab and shows it with its output. `quiet` leaves the output out. */
  async run(
    place: Place,
    argv: readonly string[],
    options: { quiet?: boolean } = {},
  ): Promise<CommandResult> {
    this.show(place, argv)
    const result = await this.runSilently(place, argv)
    const text = (result.stdout.trim() || result.stderr.trim()).split('\n').filter(Boolean)
    if (!options.quiet) {
      for (const line of text.slice(0, SHOWN_LINES)) this.note(cut(line))
      if (text.length > SHOWN_LINES) this.note(`… ${text.length - SHOWN_LINES} lines more`)
    }
    return result
  }

  /** Runs a command without showing anything. */
  async runSilently(place: Place, argv: readonly string[]): Promise<CommandResult> {
    throwIfAborted(this.signal)
    const entry = this.enter(place)
    const [command = '', ...args] = [...entry.prefix, ...argv]
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        env: entry.env,
        timeout: COMMAND_TIMEOUT_MS,
        signal: this.signal,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let stdout = ''
      let stderr = ''
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
      child.on('error', reject)
      child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }))
    })
  }

  /** Starts a program that asks something again and again from inside the lab until the step is over. */
  probe(place: Place, args: readonly string[]): Probe {
    const program = path.join(path.dirname(fileURLToPath(import.meta.url)), 'probe.ts')
    const entry = this.enter(place)
    const probe = new Probe({
      argv: [...entry.prefix, process.execPath, '--disable-warning=ExperimentalWarning', program, ...args],
      env: entry.env,
    })
    this.#probes.add(probe)
    return probe
  }

  enter(place: Place): Entry {
    if (place === 'host') return { prefix: [], env: labEnvironment(this.cluster.layout.name) }
    const state = readState(this.cluster.layout)
    if (state === undefined) throw new LabError('LAB_NOT_UP', `${this.cluster.layout.state} is gone`)
    return enter(this.cluster.layout, state, place)
  }

  pod(name: string): Pod {
    const pod = this.cluster.store.get('Pod', `shop/${name}`)
    if (pod === undefined) throw new LabError('LAB_TARGET', `Pod shop/${name} is not there`)
    return pod
  }

  service(key: string): Service {
    const service = this.cluster.store.get('Service', key)
    if (service === undefined) throw new LabError('LAB_TARGET', `Service ${key} is not there`)
    return service
  }

  node(name: string): { readonly name: string; readonly address: string } {
    const node = this.cluster.plan.nodes.find((one) => one.name === name)
    if (node === undefined) throw new LabError('LAB_TARGET', `Node ${name} is not there`)
    return node
  }
}

function cut(line: string): string {
  return line.length <= SHOWN_CHARACTERS ? line : `${line.slice(0, SHOWN_CHARACTERS - 1)}…`
}

/** The answer of one of the shop's programs; undefined if it is not one. */
export function shopAnswer(
  text: string,
): { pod: string; node: string; [field: string]: unknown } | undefined {
  try {
    const parsed = JSON.parse(text) as Record<string, unknown>
    const { pod, node } = parsed
    return typeof pod === 'string' && typeof node === 'string' ? { ...parsed, pod, node } : undefined
  } catch {
    return undefined
  }
}
