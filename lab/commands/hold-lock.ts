import type { LabLayout } from '../cluster/layout.ts'
import { takeLock } from '../cluster/lock.ts'
import { LabError } from '../errors.ts'

/** Takes the lab's lock or says who has it. */
export function holdLock(layout: LabLayout): () => void {
  const { holder, release } = takeLock(layout)
  if (holder === undefined) return release
  const { name } = layout
  throw new LabError(
    'LAB_RUNNING',
    `process ${holder.pid} is running lab "${name}" right now: press Ctrl-C there, or run "bin/plexus lab down${nameFlag(name)}", or use another name (--name demo2)`,
  )
}

/** ` --name x` for commands shown to the user, nothing for the default lab. */
export function nameFlag(name: string): string {
  return name === DEFAULT_NAME ? '' : ` --name ${name}`
}

export const DEFAULT_NAME = 'lab'
