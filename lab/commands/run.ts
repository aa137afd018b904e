import { cpSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bringUp } from '../cluster/bring-up.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { BOOKSTORE, type LabLayout, labLayout } from '../cluster/layout.ts'
import { checkLabName } from '../cluster/names.ts'
import { startAgent, startKubelet } from '../cluster/node-processes.ts'
import { checkMachine } from '../cluster/preflight.ts'
import { labExists, sweepLab } from '../cluster/sweep.ts'
import { isAborted } from '../errors.ts'
import { isAlive } from '../process/identity.ts'
import { terminalProgress } from '../terminal/progress.ts'
import { Terminal } from '../terminal/terminal.ts'
import { takeTour, tourFits } from '../tour/index.ts'
import { describeSwept } from './down.ts'
import { holdLock } from './hold-lock.ts'
import { howToEnter } from './how-to-enter.ts'
import { interruptSignal } from './interrupt.ts'

export interface RunOptions {
  readonly name: string
  /** Folder with the cluster's manifests; the bookstore by default. */
  readonly manifests?: string | undefined
  /** Tear down after the tour; exit code 0 only if every step held. */
  readonly once?: boolean | undefined
  readonly tour: boolean
}

const WATCH_MS = 500

/** `plexus lab run`: brings the cluster up, takes the tour, stays up until Ctrl-C, takes everything down. */
export async function run(options: RunOptions): Promise<number> {
  const layout = labLayout(checkLabName(options.name))
  checkMachine({ tour: options.tour })
  const terminal = new Terminal()
  const progress = terminalProgress(terminal)
  const release = holdLock(layout)
  const interrupt = interruptSignal({ onAgain: () => terminal.line('still taking it down ...') })
  let cluster: Cluster | undefined
  try {
    if (labExists(layout)) {
      await progress.step('removing what a former run left', () => sweepLab(layout), describeSwept)
    }
    try {
      const manifests = path.resolve(options.manifests ?? BOOKSTORE)
      cluster = await bringUp({ layout, manifests, progress, signal: interrupt.signal })
      const held = await visit(cluster, { ...options, terminal, signal: interrupt.signal })
      if (!held) keepLogs(layout, terminal)
      return !held && options.once ? 1 : 0
    } finally {
      await cluster?.close()
      terminal.line()
      await progress.step('taking down', () => sweepLab(layout), describeSwept)
    }
  } catch (error) {
    if (!isAborted(error)) throw error
    // Interrupted before it was all there, or in the middle of the tour.
    return 130
  } finally {
    interrupt.release()
    release()
  }
}

/** Tour and stay; resolves to whether every step of the tour held. */
async function visit(
  cluster: Cluster,
  options: RunOptions & { terminal: Terminal; signal: AbortSignal },
): Promise<boolean> {
  const { terminal, signal } = options
  let holds = true
  if (options.tour && tourFits(cluster)) {
    const { held, steps } = await takeTour(cluster, { terminal, signal })
    holds = held === steps
  } else if (options.tour) {
    terminal.line('  These are not the manifests of the bookstore: no tour.')
  }
  if (!options.once) {
    howToEnter(terminal, cluster)
    terminal.line('The cluster stays up. Ctrl-C takes it down.')
    await watchNodes(cluster, { terminal, signal })
  }
  return holds
}

/** Until Ctrl-C: an agent or kubelet that ended is started again, as a DaemonSet and systemd would. */
async function watchNodes(
  cluster: Cluster,
  options: { terminal: Terminal; signal: AbortSignal },
): Promise<void> {
  const { terminal, signal } = options
  const start = { agent: startAgent, kubelet: startKubelet } as const
  while (!signal.aborted) {
    for (const process of cluster.processes) {
      const { role, place } = process
      if ((role !== 'agent' && role !== 'kubelet') || isAlive(process)) continue
      terminal.line(`  the ${role} of ${place} (process ${process.pid}) ended; starting it again`)
      try {
        cluster.record([await start[role](cluster.layout, place, signal)])
      } catch (error) {
        if (!isAborted(error)) terminal.line(`  ${error instanceof Error ? error.message : error}`)
      }
    }
    await sleep(WATCH_MS, undefined, { signal }).catch(() => {})
  }
}

/** A step did not hold: keep what the processes wrote, the state directory goes with the lab. */
function keepLogs(layout: LabLayout, terminal: Terminal): void {
  const kept = `/tmp/plexus-lab-${layout.name}-${process.pid}.logs`
  cpSync(layout.logs, kept, { recursive: true })
  terminal.line(`  logs kept in ${kept}`)
}
