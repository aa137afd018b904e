import { spawn } from 'node:child_process'
import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { dispatch } from './protocol/dispatch.ts'
import { CniError, cniCodes } from './protocol/errors.ts'
import type { CniCall } from './protocol/plugin.ts'
import { isSame } from './same-file.ts'

const timeoutMs = 60_000
const root = join(import.meta.dirname, '..')

/**
 * Runs another plugin of CNI_PATH with this call's environment (only the command differs) and configuration (or
 * `text` in its place), and returns its stdout. Its error object becomes our error, code and text unchanged. A plugin
 * that is this program under another name is called in this process, and so is a type of ours that is not installed.
 */
export async function runDelegate(
  call: CniCall,
  type: string,
  command: string,
  { text = call.conf.text }: { text?: string } = {},
): Promise<string> {
  const environment = { ...call.environment, CNI_COMMAND: command }
  const own = call.plugins?.has(type) === true
  const file = searchPlugin(type, call.path)
  if (call.plugins !== undefined && own && (file === undefined || isThisProgram(file))) {
    const { plugins, log, overlayTrouble } = call
    const reply = await dispatch({ type, environment, stdin: text }, { plugins, log, overlayTrouble })
    if (reply.exitCode === 0) return reply.stdout
    throw delegateError(type, command, reply.stdout, '')
  }
  const child = spawn(findPlugin(type, call.path), [], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  // A plugin that does not read its stdin closes it early; what it does is what counts.
  child.stdin.on('error', () => {})
  child.stdin.end(text)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const output = Buffer.concat(stdout).toString()
  const complaints = Buffer.concat(stderr).toString().trim()
  if (complaints !== '') call.log?.info({ object: `CNI plugin ${type}`, command }, complaints)
  if (code === 0) return output
  throw delegateError(type, command, output, complaints || `exit status ${code ?? 'unknown (killed)'}`)
}

/** Looks a plugin up along CNI_PATH, as libcni's FindInPath. */
export function findPlugin(type: string, path: string): string {
  const file = searchPlugin(type, path)
  if (file !== undefined) return file
  const directories = path.split(':').filter((directory) => directory !== '')
  throw new CniError(cniCodes.internal, `failed to find plugin "${type}" in path [${directories.join(' ')}]`)
}

function searchPlugin(type: string, path: string): string | undefined {
  if (type.includes('/')) throw new CniError(cniCodes.invalidConfig, `invalid plugin name: ${type}`)
  for (const directory of path.split(':')) {
    if (directory === '') continue
    const file = join(directory, type)
    try {
      accessSync(file, constants.X_OK)
      if (statSync(file).isFile()) return file
    } catch {}
  }
  return undefined
}

/** True for the shim and the launcher of this installation, under any name, and for copies of the shim. */
function isThisProgram(file: string): boolean {
  const target = realpathSync(file)
  const shim = join(root, 'dist', 'cni', 'shim')
  return (
    target === shim ||
    (target.startsWith(join(root, 'bin', 'cni', '/')) && basename(target) === 'plexus') ||
    isSame(target, shim)
  )
}

function delegateError(type: string, command: string, output: string, fallback: string): CniError {
  try {
    const { code, msg, details } = JSON.parse(output) as { code?: unknown; msg?: unknown; details?: unknown }
    if (typeof code === 'number' && typeof msg === 'string') {
      return new CniError(code, msg, { details: typeof details === 'string' ? details : '' })
    }
  } catch {}
  return new CniError(cniCodes.internal, `plugin ${type} failed (${command}): ${output.trim() || fallback}`)
}
