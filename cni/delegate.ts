import { spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'
import { CniError, cniCodes } from './protocol/errors.ts'
import type { CniCall } from './protocol/plugin.ts'

const timeoutMs = 60_000

/**
 * Runs another plugin binary of CNI_PATH with this call's environment (only the command differs) and configuration,
 * and returns its stdout. Its error object becomes our error, code and text unchanged.
 */
export async function runDelegate(call: CniCall, type: string, command: string): Promise<string> {
  const file = findPlugin(type, call.path)
  const child = spawn(file, [], {
    env: { ...process.env, ...call.environment, CNI_COMMAND: command },
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
  child.stdin.end(call.conf.text)
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
  const directories = path.split(':').filter((directory) => directory !== '')
  if (type.includes('/')) throw new CniError(cniCodes.invalidConfig, `invalid plugin name: ${type}`)
  for (const directory of directories) {
    const file = join(directory, type)
    try {
      accessSync(file, constants.X_OK)
      if (statSync(file).isFile()) return file
    } catch {}
  }
  throw new CniError(cniCodes.internal, `failed to find plugin "${type}" in path [${directories.join(' ')}]`)
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
