import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { CniPluginError, CniRuntimeError } from './errors.ts'

export type CniOperation = 'ADD' | 'DEL' | 'CHECK'

/** How long a plugin may take before the runtime gives up; kubelet's runtime requests time out after 2 minutes. */
const PLUGIN_TIMEOUT_MS = 60_000

/** Linux answers ETXTBSY while another process still holds the file open for writing; libcni tries 5 times as well. */
const BUSY_ATTEMPTS = 5

export interface ExecPluginOptions {
  readonly operation: CniOperation
  readonly type: string
  /** CNI_PATH. */
  readonly path: readonly string[]
  /** The other CNI_ variables. */
  readonly variables: Readonly<Record<string, string>>
  /** The plugin's configuration, written to its stdin. */
  readonly conf: unknown
  readonly onLog?: ((line: string) => void) | undefined
}

/** Finds a plugin along CNI_PATH. */
export function findPlugin(type: string, directories: readonly string[]): string {
  if (type.includes('/')) throw new CniRuntimeError(`plugin type "${type}" must not hold a slash`)
  for (const directory of directories) {
    const file = path.join(directory, type)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {}
  }
  throw new CniRuntimeError(`failed to find plugin "${type}" in path [${directories.join(' ')}]`)
}

/**
 * Runs a plugin once: environment and configuration in, result or error object out (both on stdout). Resolves to the
 * parsed result; undefined when the operation has none.
 */
export async function execPlugin(options: ExecPluginOptions): Promise<unknown> {
  const file = findPlugin(options.type, options.path)
  const env = {
    ...process.env,
    ...options.variables,
    CNI_COMMAND: options.operation,
    CNI_PATH: options.path.join(':'),
  }
  const input = JSON.stringify(options.conf)
  let outcome: Outcome | undefined
  for (let attempt = 1; outcome === undefined; attempt++) {
    try {
      outcome = await run(file, env, input)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ETXTBSY' && attempt < BUSY_ATTEMPTS) {
        await new Promise((resolve) => setTimeout(resolve, 1000))
        continue
      }
      throw new CniRuntimeError(`cannot run ${file}: ${cause instanceof Error ? cause.message : cause}`, {
        cause,
      })
    }
  }
  for (const line of outcome.stderr.split('\n')) if (line !== '') options.onLog?.(line)
  if (outcome.code !== 0) throw pluginError(options, outcome)
  if (outcome.stdout.trim() === '') return undefined
  try {
    return JSON.parse(outcome.stdout)
  } catch (cause) {
    throw new CniRuntimeError(
      `plugin ${options.type} answered ${options.operation} with something that is not JSON: ${outcome.stdout.slice(0, 200)}`,
      { cause },
    )
  }
}

interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

function run(file: string, env: NodeJS.ProcessEnv, input: string): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [], { env, timeout: PLUGIN_TIMEOUT_MS, killSignal: 'SIGKILL' })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
    // A plugin that does not read its stdin is within its rights (VERSION); what it says counts, not the EPIPE.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

function pluginError(options: ExecPluginOptions, outcome: Outcome): CniPluginError {
  const base = { plugin: options.type, operation: options.operation }
  try {
    const { code, msg, details } = JSON.parse(outcome.stdout) as Record<string, unknown>
    return new CniPluginError({
      ...base,
      pluginCode: typeof code === 'number' ? code : 999,
      msg: String(msg ?? ''),
      details: String(details ?? ''),
    })
  } catch {
    const end = outcome.signal === null ? `exit code ${outcome.code}` : `ended by ${outcome.signal}`
    const text = (outcome.stdout.trim() || outcome.stderr.trim()).slice(0, 2000)
    return new CniPluginError({
      ...base,
      pluginCode: 999,
      msg: `netplugin failed with ${end}`,
      details: text,
    })
  }
}
