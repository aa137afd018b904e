import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import path from 'node:path'
import { identify, type ProcessIdentity } from './identity.ts'
import { LAB_VARIABLE } from './scan.ts'

const STANDARD_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** A clean environment for a process of the lab: the Node that runs the lab comes first on its PATH. */
export function labEnvironment(lab: string, extra: Record<string, string> = {}): Record<string, string> {
  return {
    PATH: `${path.dirname(process.execPath)}:${STANDARD_PATH}`,
    HOME: '/root',
    LANG: 'C.UTF-8',
    [LAB_VARIABLE]: lab,
    ...extra,
  }
}

/** The command line that runs `argv` inside a network namespace; nsenter replaces itself, so the pid stays the same. */
export function inNetns(netns: string, argv: readonly string[]): string[] {
  return ['nsenter', `--net=${netns}`, '--', ...argv]
}

export interface SpawnDetachedOptions {
  readonly argv: readonly string[]
  readonly env: Record<string, string>
  /** stdout and stderr are appended here; the process outlives the one that started it. */
  readonly logFile: string
  readonly cwd?: string | undefined
}

/**
 * Starts a process in a session of its own, so that neither Ctrl-C nor the end of its parent reaches it. Throws if the
 * program cannot be started; that it goes on running is the caller's to watch through `child`.
 */
export async function spawnDetached(
  options: SpawnDetachedOptions,
): Promise<{ child: ChildProcess; identity: ProcessIdentity }> {
  const [command, ...args] = options.argv
  if (command === undefined) throw new TypeError('spawnDetached: argv is empty')
  mkdirSync(path.dirname(options.logFile), { recursive: true })
  const log = openSync(options.logFile, 'a')
  try {
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: options.env,
      cwd: options.cwd,
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    child.unref()
    const pid = child.pid ?? 0
    // A program that ended at once leaves nothing to identify: its pid with an impossible start time is "not alive".
    return { child, identity: identify(pid) ?? { pid, startTime: -1 } }
  } finally {
    closeSync(log)
  }
}
