import { type Cluster, reopenCluster } from '../cluster/cluster.ts'
import { podRecords } from '../cluster/enter.ts'
import { labLayout } from '../cluster/layout.ts'
import { checkLabName } from '../cluster/names.ts'
import { isReady } from '../cluster/pods-ready.ts'
import type { LabState } from '../cluster/state.ts'
import { isAlive } from '../process/identity.ts'
import { columns } from '../terminal/columns.ts'
import { Terminal } from '../terminal/terminal.ts'
import { howToEnter } from './how-to-enter.ts'
import { requireState } from './require-state.ts'

export interface StatusOptions {
  readonly name: string
}

/** `plexus lab status`: nodes, pods, processes and manifest problems. Exit code 0 if all runs and is ready, else 1. */
export async function status(options: StatusOptions): Promise<number> {
  const layout = labLayout(checkLabName(options.name))
  const state = requireState(layout)
  const terminal = new Terminal()
  const cluster = await reopenCluster(layout, state)
  try {
    const table = (title: string, rows: readonly (readonly string[])[]) => {
      const [head = '', ...lines] = columns(rows)
      terminal.line(`${terminal.paint(title, 'bold')}`)
      terminal.line(`  ${terminal.paint(head, 'dim')}`)
      for (const line of lines) terminal.line(`  ${line}`)
      terminal.line()
    }
    table('Processes', processRows(state))
    table('Pods', podRows(cluster, state))
    table('Services', serviceRows(cluster))
    const problems = cluster.source.status().problems
    for (const { file, line, object, field, message } of problems) {
      const where = [file, line].filter((part) => part !== undefined).join(':')
      const what = [object, field].filter((part) => part !== undefined).join(' ')
      terminal.line(`${terminal.mark(false)} ${where} ${what}: ${message}`)
    }
    howToEnter(terminal, cluster)
    const healthy = state.processes.every(isAlive) && [...cluster.store.list('Pod')].every(isReady)
    return healthy && problems.length === 0 ? 0 : 1
  } finally {
    await cluster.close()
  }
}

function processRows(state: LabState): string[][] {
  const rows = state.processes.map((process) => [
    process.place,
    process.role,
    String(process.pid),
    isAlive(process) ? 'running' : 'gone',
    state.nodes.find(({ name }) => name === process.place)?.address ?? '',
    state.nodes.find(({ name }) => name === process.place)?.podCIDR ?? '',
  ])
  return [['PLACE', 'WHAT', 'PID', 'STATE', 'ADDRESS', 'PODS'], ...rows]
}

function podRows(cluster: Cluster, state: LabState): string[][] {
  const records = new Map(
    podRecords(cluster.layout, state).map((record) => [`${record.namespace}/${record.name}`, record]),
  )
  const rows = [...cluster.store.list('Pod')].map((pod) => {
    const key = `${pod.metadata.namespace}/${pod.metadata.name}`
    const containers = Object.values(records.get(key)?.containers ?? {})
    return [
      pod.metadata.namespace,
      pod.metadata.name,
      pod.spec.nodeName,
      pod.status.podIP || '-',
      isReady(pod) ? 'ready' : pod.status.phase === 'Running' ? 'not ready' : pod.status.phase,
      String(containers.reduce((sum, { restarts }) => sum + restarts, 0)),
    ]
  })
  return [['NAMESPACE', 'POD', 'NODE', 'IP', 'STATE', 'RESTARTS'], ...rows.sort(byText)]
}

function serviceRows(cluster: Cluster): string[][] {
  const rows = [...cluster.store.list('Service')].map(({ metadata, spec, status }) => {
    const key = `${metadata.namespace}/${metadata.name}`
    const ports = spec.ports.map(
      ({ port, nodePort, protocol }) => `${port}${nodePort === 0 ? '' : `:${nodePort}`}/${protocol}`,
    )
    return [
      metadata.namespace,
      metadata.name,
      spec.type,
      spec.externalName || spec.clusterIP,
      status.loadBalancer.ingress.map(({ ip }) => ip).join(',') || '-',
      ports.join(',') || '-',
      String(cluster.store.endpoints.of(key).addresses.filter(({ ready }) => ready).length),
    ]
  })
  return [
    ['NAMESPACE', 'SERVICE', 'TYPE', 'ADDRESS', 'EXTERNAL', 'PORTS', 'READY ENDPOINTS'],
    ...rows.sort(byText),
  ]
}

function byText(one: readonly string[], other: readonly string[]): number {
  return one.join(' ') < other.join(' ') ? -1 : 1
}
