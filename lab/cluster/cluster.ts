import path from 'node:path'
import { type Logger, pino } from 'pino'
import { manifestSource, openStore, type Source, type Store } from '#watch'
import type { LabLayout } from './layout.ts'
import { type ClusterPlan, planCluster } from './manifests.ts'
import { type LabProcess, type LabState, writeState } from './state.ts'
import { type Underlay, underlayOf } from './underlay.ts'

/** A lab that is up or coming up, as the process that runs it sees it. */
export interface Cluster {
  readonly layout: LabLayout
  readonly underlay: Underlay
  readonly plan: ClusterPlan
  /** The manifests with the Pods' status, live. */
  readonly store: Store
  readonly source: Source
  readonly log: Logger
  readonly processes: readonly LabProcess[]
  /** Adds a process, in place of a former one of that role and place, and writes the state down. */
  record(processes: readonly LabProcess[]): void
  /** Writes down that everything is ready. */
  markUp(): void
  close(): Promise<void>
}

/** Opens the manifests of a lab whose files are in place. */
export async function openCluster(
  layout: LabLayout,
  underlay: Underlay,
  known: { processes: readonly LabProcess[]; up: boolean } = { processes: [], up: false },
): Promise<Cluster> {
  const log = pino(
    { name: 'lab' },
    pino.destination({ dest: path.join(layout.logs, 'lab.log'), mkdir: true, sync: true }),
  )
  const source = manifestSource({ directories: [layout.manifests, layout.status], log })
  const store = await openStore({ source, log })
  try {
    const plan = planCluster(store, underlay)
    let { processes, up } = known
    const write = () => writeState(layout, state())
    const state = (): LabState => ({
      version: 1,
      name: layout.name,
      subnet: underlay.subnet,
      nodes: plan.nodes,
      clusterDNS: plan.clusterDNS,
      processes,
      up,
    })
    return {
      layout,
      underlay,
      plan,
      store,
      source,
      log,
      get processes() {
        return processes
      },
      record(added) {
        const replaced = (one: LabProcess) =>
          added.some(({ role, place }) => role === one.role && place === one.place)
        processes = [...processes.filter((one) => !replaced(one)), ...added]
        write()
      },
      markUp() {
        up = true
        write()
      },
      close: () => store.close(),
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Opens a lab that another process brought up, to look at it. */
export function reopenCluster(layout: LabLayout, state: LabState): Promise<Cluster> {
  return openCluster(layout, underlayOf(state.subnet), state)
}
