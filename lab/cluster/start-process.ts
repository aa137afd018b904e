import { existsSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { LabError, throwIfAborted } from '../errors.ts'
import { isAlive } from '../process/identity.ts'
import { spawnDetached } from '../process/spawn.ts'
import type { LabProcess } from './state.ts'

/** A cold agent needs about a second; on a loaded machine much more. */
const READY_TIMEOUT_MS = 60_000

export interface StartProcessOptions {
  readonly role: LabProcess['role']
  readonly place: string
  readonly argv: readonly string[]
  readonly env: Record<string, string>
  readonly logFile: string
  /** The process writes it once it serves; without one it counts as started when it runs. */
  readonly readyFile?: string
  readonly signal: AbortSignal
}

/** Starts one of the lab's own processes and waits until it serves. Throws LAB_NOT_READY with the end of its log. */
export async function startProcess(options: StartProcessOptions): Promise<LabProcess> {
  const { role, place, readyFile, logFile, signal } = options
  throwIfAborted(signal)
  if (readyFile !== undefined) rmSync(readyFile, { force: true })
  const { identity } = await spawnDetached(options)
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (readyFile !== undefined && !existsSync(readyFile)) {
    throwIfAborted(signal)
    if (!isAlive(identity)) throw notReady(`${role} of ${place} ended at once`, logFile)
    if (performance.now() > deadline) {
      throw notReady(`${role} of ${place} was not ready within ${READY_TIMEOUT_MS / 1000} s`, logFile)
    }
    await sleep(10)
  }
  return { role, place, ...identity }
}

function notReady(what: string, logFile: string): LabError {
  const end = tail(logFile, 8)
  return new LabError('LAB_NOT_READY', `${what}. The end of its log (${logFile}):\n${end}`)
}

/** The last lines of a file, indented. */
export function tail(file: string, lines: number): string {
  try {
    const all = readFileSync(file, 'utf8').trimEnd().split('\n')
    return all
      .slice(-lines)
      .map((line) => `    ${line.slice(0, 400)}`)
      .join('\n')
  } catch {
    return '    (no log)'
  }
}
