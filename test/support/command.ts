import { type ChildProcess, spawn, spawnSync } from 'node:child_process'

/** A command that ended with a status other than 0; the message holds what it wrote to stderr. */
export class CommandError extends Error {
  readonly code = 'COMMAND_FAILED'
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string

  constructor(command: string, result: { status: number | null; stdout: string; stderr: string }) {
    super(`${command}: exit status ${result.status}: ${result.stderr.trim() || result.stdout.trim()}`)
    this.name = 'CommandError'
    this.status = result.status
    this.stdout = result.stdout
    this.stderr = result.stderr
  }
}

export interface CommandOptions {
  input?: string | Uint8Array | undefined
  env?: NodeJS.ProcessEnv | undefined
  cwd?: string | undefined
  /** Milliseconds after which the command is killed (default 30000). */
  timeoutMs?: number | undefined
}

export interface CommandResult {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end and returns status, stdout and stderr, whatever the status is. */
export function tryCommand(argv: readonly string[], options: CommandOptions = {}): CommandResult {
  const [file = '', ...args] = argv
  const result = spawnSync(file, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: options.timeoutMs ?? 30_000,
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  if (result.error !== undefined) throw result.error
  return { status: result.status, stdout: result.stdout, stderr: result.stderr }
}

/** Runs a command and returns its stdout; throws CommandError when the status is not 0. */
export function command(argv: readonly string[], options: CommandOptions = {}): string {
  const result = tryCommand(argv, options)
  if (result.status !== 0) throw new CommandError(argv.join(' '), result)
  return result.stdout
}

/** Starts a long-running command; end it with `stopProcess` (namespaces do so in their teardown). */
export function startProcess(argv: readonly string[], options: CommandOptions = {}): ChildProcess {
  const [file = '', ...args] = argv
  return spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
}

/** Ends a process (SIGTERM, then SIGKILL after two seconds) and waits until it is gone. */
export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 2000)
  await gone
  clearTimeout(timer)
}
