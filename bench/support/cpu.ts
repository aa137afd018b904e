// CPU time from /proc, so that every contender is charged the same way, children included.
import { readdirSync, readFileSync } from 'node:fs'

const ticksPerSecond = 100

function statFields(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The command name may hold spaces and brackets: the fields begin after the last ')'.
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** CPU seconds of one process so far (user + system, all threads). */
export function cpuSeconds(pid: number): number {
  const fields = statFields(pid)
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** CPU seconds of one process and of all children it has waited for. */
export function lifetimeCpuSeconds(pid: number): number {
  return statFields(pid)
    .slice(11, 15)
    .reduce((sum, field) => sum + Number(field) / ticksPerSecond, 0)
}

/** A process and its living descendants. */
export function processTree(root: number): number[] {
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      parents.set(Number(entry), Number(statFields(Number(entry))[1]))
    } catch {
      // ended meanwhile
    }
  }
  const belongs = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at))
      if (at === root) return true
    return false
  }
  return [...parents.keys()].filter(belongs)
}

/** CPU seconds of a process and its living descendants. */
export function treeCpuSeconds(root: number): number {
  return processTree(root).reduce((sum, pid) => sum + cpuSeconds(pid), 0)
}

/** CPU seconds of all children this process has waited for, their children included. */
export function reapedCpuSeconds(): number {
  const fields = statFields(process.pid)
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
}
