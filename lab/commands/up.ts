import path from 'node:path'
import { bringUp } from '../cluster/bring-up.ts'
import { BOOKSTORE, labLayout } from '../cluster/layout.ts'
import { checkLabName } from '../cluster/names.ts'
import { checkMachine } from '../cluster/preflight.ts'
import { readState } from '../cluster/state.ts'
import { labExists, sweepLab } from '../cluster/sweep.ts'
import { isAborted, LabError } from '../errors.ts'
import { isAlive } from '../process/identity.ts'
import { terminalProgress } from '../terminal/progress.ts'
import { Terminal } from '../terminal/terminal.ts'
import { holdLock, nameFlag } from './hold-lock.ts'
import { howToEnter } from './how-to-enter.ts'
import { interruptSignal } from './interrupt.ts'

export interface UpOptions {
  readonly name: string
  /** Folder with the cluster's manifests; the bookstore by default. */
  readonly manifests?: string | undefined
}

/** `plexus lab up`: brings the cluster up and leaves it running in the background. */
export async function up(options: UpOptions): Promise<number> {
  const layout = labLayout(checkLabName(options.name))
  checkMachine({ tour: false })
  const terminal = new Terminal()
  const progress = terminalProgress(terminal)
  const release = holdLock(layout)
  const interrupt = interruptSignal({ onAgain: () => terminal.line('still taking it down ...') })
  try {
    const former = readState(layout)
    if (former?.up && former.processes.some(isAlive)) {
      throw new LabError(
        'LAB_RUNNING',
        `lab "${layout.name}" is up already: "bin/plexus lab status${nameFlag(layout.name)}" shows it, "lab down" removes it`,
      )
    }
    if (labExists(layout)) await progress.step('removing what a former run left', () => sweepLab(layout))
    try {
      const manifests = path.resolve(options.manifests ?? BOOKSTORE)
      const cluster = await bringUp({ layout, manifests, progress, signal: interrupt.signal })
      howToEnter(terminal, cluster)
      await cluster.close()
      terminal.line(`It runs in the background until "bin/plexus lab down${nameFlag(layout.name)}".`)
      return 0
    } catch (error) {
      await progress.step('taking it down again', () => sweepLab(layout))
      if (isAborted(error)) return 130
      throw error
    }
  } finally {
    interrupt.release()
    release()
  }
}
