import { setTimeout as sleep } from 'node:timers/promises'
import type { Pod } from '#watch'
import { LabError, throwIfAborted } from '../errors.ts'
import type { Cluster } from './cluster.ts'
import { KernelView } from './kernel-view.ts'

const PODS_TIMEOUT_MS = 90_000
const RULES_TIMEOUT_MS = 10_000

export function isReady(pod: Pod): boolean {
  return pod.status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

/** Waits until every Pod of the manifests is ready; resolves to their number. */
export async function waitPodsReady(
  cluster: Cluster,
  options: { signal: AbortSignal; update?: (detail: string) => void },
): Promise<number> {
  const deadline = performance.now() + PODS_TIMEOUT_MS
  for (;;) {
    const pods = [...cluster.store.list('Pod')]
    const waiting = pods.filter((pod) => !isReady(pod))
    if (waiting.length === 0) return pods.length
    throwIfAborted(options.signal)
    options.update?.(`${pods.length - waiting.length} of ${pods.length}`)
    if (performance.now() > deadline) throw notReady(cluster, waiting)
    await sleep(20)
  }
}

function notReady(cluster: Cluster, waiting: readonly Pod[]): LabError {
  const reasons = waiting.map((pod) => {
    const { namespace, name } = pod.metadata
    const message = pod.status.conditions.find((condition) => condition.message !== '')?.message
    const placed = cluster.plan.nodes.some((node) => node.name === pod.spec.nodeName)
    const why = placed
      ? (message ?? pod.status.phase)
      : `spec.nodeName "${pod.spec.nodeName}" is no Node of this lab`
    return `  ${namespace}/${name}: ${why}`
  })
  return new LabError(
    'LAB_NOT_READY',
    `not ready within ${PODS_TIMEOUT_MS / 1000} s (logs: ${cluster.layout.logs}):\n${reasons.join('\n')}`,
  )
}

/** Waits until the kernels of all nodes know every ready endpoint of the Services that have a ClusterIP. */
export async function waitRules(cluster: Cluster, signal: AbortSignal): Promise<number> {
  const addresses = [...cluster.store.list('Service')]
    .filter(({ spec }) => spec.clusterIP !== '' && spec.clusterIP !== 'None')
    .flatMap(({ metadata }) => cluster.store.endpoints.of(`${metadata.namespace}/${metadata.name}`).ports)
    .flatMap(({ endpoints }) => endpoints.filter(({ ready, family }) => ready && family === 4))
    .map(({ address }) => address)
  const distinct = [...new Set(addresses)]
  const deadline = performance.now() + RULES_TIMEOUT_MS
  for (const { name } of cluster.plan.nodes) {
    using kernel = new KernelView(cluster.layout.name, name)
    for (;;) {
      const missing = distinct.length - kernel.endpoints(distinct).size
      if (missing === 0) break
      throwIfAborted(signal)
      if (performance.now() > deadline) {
        throw new LabError(
          'LAB_NOT_READY',
          `the rules of ${name} lack ${missing} of ${distinct.length} endpoints after ${RULES_TIMEOUT_MS / 1000} s; see ${cluster.layout.logs}/${name}-agent.log`,
        )
      }
      await sleep(10)
    }
  }
  return distinct.length
}
