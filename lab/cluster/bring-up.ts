import { throwIfAborted } from '../errors.ts'
import type { Progress } from '../terminal/progress.ts'
import { type Cluster, openCluster } from './cluster.ts'
import { connectMachines, createFabric } from './fabric.ts'
import type { LabLayout } from './layout.ts'
import { copyManifests } from './manifests.ts'
import { writeNodeFiles } from './node-files.ts'
import { startAgent, startKubelet } from './node-processes.ts'
import { startOutside } from './outside.ts'
import { waitPodsReady, waitRules } from './pods-ready.ts'

/**
 * Builds a lab from nothing to "every Pod is ready". On failure or abort it throws and leaves what there is: the caller
 * sweeps.
 */
export async function bringUp(options: {
  layout: LabLayout
  manifests: string
  progress: Progress
  signal: AbortSignal
}): Promise<Cluster> {
  const { layout, manifests, progress, signal } = options
  const underlay = await progress.step(
    'underlay',
    () => createFabric(layout.name),
    ({ cidr, host, hostLink }) => `${cidr}, this machine is ${host} on ${hostLink}`,
  )
  const cluster = await progress.step(
    'manifests',
    () => {
      copyManifests(layout, underlay, manifests)
      return openCluster(layout, underlay)
    },
    ({ store }) =>
      `${store.size('Node')} Nodes, ${store.size('Service')} Services, ${store.size('Pod')} Pods from ${manifests}`,
  )
  try {
    await startMachines(cluster, { progress, signal })
    return cluster
  } catch (error) {
    await cluster.close()
    throw error
  }
}

async function startMachines(
  cluster: Cluster,
  options: { progress: Progress; signal: AbortSignal },
): Promise<void> {
  const { layout, underlay, plan } = cluster
  const { progress, signal } = options
  const names = plan.nodes.map(({ name }) => name)
  throwIfAborted(signal)
  await progress.step(
    'machines',
    () => {
      connectMachines(layout.name, underlay, plan)
      for (const node of plan.nodes) writeNodeFiles(layout, underlay, node)
      cluster.record([])
    },
    () =>
      [...plan.nodes.map(({ name, address }) => `${name} ${address}`), `outside ${underlay.outside}`].join(
        ', ',
      ),
  )
  await progress.step(
    'outside',
    async () => {
      const gateway = plan.loadBalancers[0]
      cluster.record(await startOutside(layout, underlay, { gateway, signal }))
    },
    () => 'DNS server and payment provider of the world outside',
  )
  await progress.step(
    'agents',
    async () => cluster.record(await Promise.all(names.map((name) => startAgent(layout, name, signal)))),
    () => `one plexus agent on each of ${names.join(', ')}`,
  )
  await progress.step(
    'kubelets',
    async () => cluster.record(await Promise.all(names.map((name) => startKubelet(layout, name, signal)))),
    () => `one on each of ${names.join(', ')}`,
  )
  await progress.step(
    'pods',
    (update) => waitPodsReady(cluster, { signal, update }),
    (count) => `${count} ready, attached by executing the CNI plugin`,
  )
  await progress.step(
    'service rules',
    () => waitRules(cluster, signal),
    (count) => `${count} endpoints in the kernel of every node`,
  )
  cluster.markUp()
}
