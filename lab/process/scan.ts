import { readdirSync, readFileSync, statSync } from 'node:fs'
import { identify, type ProcessIdentity } from './identity.ts'

/** The variable every process of a lab carries, so that `down` finds it whatever became of its parent. */
export const LAB_VARIABLE = 'PLEXUS_LAB'

function inodeOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

function carries(pid: number, variable: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(variable)
  } catch {
    return false
  }
}

/**
 * Every process that belongs to a lab: it carries `PLEXUS_LAB=<lab>` in its environment or lives in one of the given
 * network namespaces. The calling process and its ancestors are never among them.
 */
export function findProcesses(options: {
  lab?: string | undefined
  netns?: readonly string[]
}): ProcessIdentity[] {
  const own = inodeOf('/proc/self/ns/net')
  const inodes = new Set((options.netns ?? []).map(inodeOf).filter((inode) => inode !== undefined))
  // Never take a namespace for the lab's which is really our own (a stale file in /run/netns has the inode of tmpfs).
  if (own !== undefined) inodes.delete(own)
  const spared = ancestry()
  const found: ProcessIdentity[] = []
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || spared.has(pid)) continue
    const inside = inodes.has(inodeOf(`/proc/${pid}/ns/net`) ?? '')
    if (!inside && !(options.lab !== undefined && carries(pid, `${LAB_VARIABLE}=${options.lab}`))) continue
    const identity = identify(pid)
    if (identity !== undefined) found.push(identity)
  }
  return found
}

/** This process and those that led to it: `lab down` typed into a shell inside the lab must not kill that shell first. */
function ancestry(): Set<number> {
  const pids = new Set<number>()
  let pid = process.pid
  while (pid > 0 && !pids.has(pid)) {
    pids.add(pid)
    const status = readStatus(pid)
    pid = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1] ?? 0)
  }
  return pids
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1')
  } catch {
    return ''
  }
}
