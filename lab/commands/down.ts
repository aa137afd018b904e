import { labLayout } from '../cluster/layout.ts'
import { takeLock } from '../cluster/lock.ts'
import { checkLabName } from '../cluster/names.ts'
import { labExists, type Swept, sweepLab } from '../cluster/sweep.ts'
import { LabError } from '../errors.ts'
import { signal } from '../process/identity.ts'
import { waitGone } from '../process/terminate.ts'
import { terminalProgress } from '../terminal/progress.ts'
import { Terminal } from '../terminal/terminal.ts'

export interface DownOptions {
  readonly name: string
}

/** Tearing down takes a few seconds at most; a runner that takes longer hangs. */
const RUNNER_TIMEOUT_MS = 30_000

/** `plexus lab down`: removes everything of a lab, also what a crashed one left; fine if there is nothing. */
export async function down(options: DownOptions): Promise<number> {
  const layout = labLayout(checkLabName(options.name))
  const terminal = new Terminal()
  if (process.getuid?.() !== 0)
    throw new LabError('LAB_ROOT', 'taking a lab down needs root: run it with sudo')
  const progress = terminalProgress(terminal)
  let lock = takeLock(layout)
  const { holder } = lock
  if (holder !== undefined) {
    // `lab run` in another terminal takes down what it brought up.
    signal(holder, 'SIGTERM')
    const left = await progress.step(`stopping lab run (process ${holder.pid})`, () =>
      waitGone([holder], RUNNER_TIMEOUT_MS),
    )
    for (const one of left) signal(one, 'SIGKILL')
    await waitGone(left, 1000)
    lock = takeLock(layout)
  }
  try {
    if (!labExists(layout)) {
      terminal.line(`  nothing of lab "${layout.name}" is left`)
      return 0
    }
    await progress.step('taking down', () => sweepLab(layout), describeSwept)
    return 0
  } finally {
    lock.release()
  }
}

export function describeSwept(swept: Swept): string {
  const killed = swept.killed === 0 ? '' : `, ${swept.killed} had to be killed`
  return `${swept.processes} processes, ${swept.namespaces} namespaces${killed}`
}
