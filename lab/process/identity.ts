import { readFileSync } from 'node:fs'

/**
 * A process that can still be recognised after its pid was given to another one: pid and the time it started, in clock
 * ticks since boot (field 22 of /proc/PID/stat, proc_pid_stat(5)).
 */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTime: number
}

/** State and start time of a process, or undefined if there is none. */
function readStat(pid: number): { state: string; startTime: number } | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startTime] = [fields[0], Number(fields[19])]
  return state === undefined || !Number.isFinite(startTime) ? undefined : { state, startTime }
}

/** The identity of a process that runs now; undefined if it does not (a zombie does not). */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid)
  return stat === undefined || stat.state === 'Z' || stat.state === 'X'
    ? undefined
    : { pid, startTime: stat.startTime }
}

/** Whether this very process still runs: false as well when its pid now belongs to another. */
export function isAlive(process: ProcessIdentity): boolean {
  return identify(process.pid)?.startTime === process.startTime
}

/** Sends a signal to this very process (or, with `group`, to the process group it leads); false if it is gone. */
export function signal(
  target: ProcessIdentity,
  name: NodeJS.Signals,
  options: { group?: boolean } = {},
): boolean {
  if (!isAlive(target)) return false
  try {
    process.kill(options.group ? -target.pid : target.pid, name)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
