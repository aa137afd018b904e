// Resident memory from /proc.
import { readFileSync } from 'node:fs'
import { processTree } from './cpu.ts'

/** Resident bytes of a process and its living descendants. */
export function treeResidentBytes(root: number): number {
  let total = 0
  for (const pid of processTree(root)) {
    try {
      const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
      total += Number(kib ?? 0) * 1024
    } catch {
      // ended meanwhile
    }
  }
  return total
}
