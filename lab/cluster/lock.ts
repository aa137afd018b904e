import { linkSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { identify, isAlive, type ProcessIdentity } from '../process/identity.ts'
import type { LabLayout } from './layout.ts'

/** The process that is bringing this lab up, runs it in the foreground or takes it down; undefined if nobody is. */
export function lockHolder(layout: LabLayout): ProcessIdentity | undefined {
  try {
    const holder = JSON.parse(readFileSync(layout.lock, 'utf8')) as Partial<ProcessIdentity>
    if (typeof holder.pid !== 'number' || typeof holder.startTime !== 'number') return undefined
    const identity = { pid: holder.pid, startTime: holder.startTime }
    return isAlive(identity) ? identity : undefined
  } catch {
    return undefined
  }
}

/**
 * Takes the lab's lock for this process, or returns who holds it. A lock whose holder is gone (SIGKILL) is taken over.
 * The file appears complete: it is written aside and linked, and link(2) fails where there is one already.
 */
export function takeLock(layout: LabLayout): { holder?: ProcessIdentity; release(): void } {
  mkdirSync(path.dirname(layout.lock), { recursive: true })
  const mine = `${layout.lock}.${process.pid}`
  writeFileSync(mine, JSON.stringify(identify(process.pid)))
  try {
    for (;;) {
      try {
        linkSync(mine, layout.lock)
        return { release: () => releaseLock(layout) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        const holder = lockHolder(layout)
        if (holder !== undefined) return { holder, release: () => {} }
        rmSync(layout.lock, { force: true })
      }
    }
  } finally {
    rmSync(mine, { force: true })
  }
}

function releaseLock(layout: LabLayout): void {
  rmSync(layout.lock, { force: true })
  // The folders that all labs share go with the last one.
  for (let directory = path.dirname(layout.lock); directory !== '/'; directory = path.dirname(directory)) {
    try {
      rmdirSync(directory)
    } catch {
      return
    }
  }
}
