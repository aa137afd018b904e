import type { Cluster } from '../cluster/cluster.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { acrossNodes } from './1-across-nodes.ts'
import { names } from './2-names.ts'
import { services } from './3-services.ts'
import { gateway } from './4-gateway.ts'
import { endpointChange } from './5-endpoint-change.ts'
import { agentKilled } from './6-agent-killed.ts'
import { Tour } from './tour.ts'

const STEPS = [
  ['A pod reaches a pod on the other node by IP, across VXLAN', acrossNodes],
  ['A pod resolves names', names],
  ['Services: requests to a name spread over its endpoints; the host reaches a NodePort', services],
  ['An outside client reaches the shop through the gateway', gateway],
  ['A Pod goes, another comes: kernel, DNS and gateway follow', endpointChange],
  ['An agent is killed and comes back', agentKilled],
] as const

/** Takes the visitor around the bookstore; resolves to how many of the steps held. */
export async function takeTour(
  cluster: Cluster,
  options: { terminal: Terminal; signal: AbortSignal },
): Promise<{ held: number; steps: number }> {
  const { terminal } = options
  const tour = new Tour(cluster, options)
  let held = 0
  for (const [index, [title, work]] of STEPS.entries()) {
    if (await tour.step(`${index + 1}. ${title}`, work)) held++
  }
  terminal.line()
  const verdict = held === STEPS.length ? `All ${held} steps held.` : `${held} of ${STEPS.length} steps held.`
  terminal.line(`${terminal.mark(held === STEPS.length)} ${terminal.paint(verdict, 'bold')}`)
  return { held, steps: STEPS.length }
}

/** Whether the manifests are those the tour is about. */
export function tourFits(cluster: Cluster): boolean {
  const { store } = cluster
  return store.get('Service', 'shop/catalog') !== undefined && store.get('Pod', 'shop/web-1') !== undefined
}
