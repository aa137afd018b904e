import type { Node, Store } from '#watch'
import { OverlayWaitError } from './errors.ts'
import type { NetConf } from './net-conf.ts'
import { type Peer, type PeerProblem, peersAmong, podNetwork } from './peers.ts'
import { contains } from './prefix.ts'

/** What one family of the overlay is to be. */
export interface FamilyPlan {
  readonly family: 4 | 6
  readonly network: string
  readonly subnet: string
  readonly node: Node
  readonly peers: readonly Peer[]
}

/** What each family needs, from the Nodes alone. Throws OverlayWaitError while the own Node does not tell enough. */
export function makePlans(options: { store: Store; nodeName: string; netConf: NetConf }): {
  plans: FamilyPlan[]
  problems: PeerProblem[]
} {
  const { store, nodeName, netConf } = options
  const node = store.get('Node', nodeName)
  if (node === undefined) throw new OverlayWaitError(`waits for Node ${nodeName}: there is no such object`)
  const plans: FamilyPlan[] = []
  const problems: PeerProblem[] = []
  for (const family of [4, 6] as const) {
    const network = netConf.networks[family]
    if (network === undefined) continue
    const subnet = podNetwork(node, family)
    if (subnet === undefined) {
      throw new OverlayWaitError(`waits for Node ${nodeName}: spec.podCIDRs has no IPv${family} network yet`)
    }
    if (!contains(network, subnet)) {
      throw new OverlayWaitError(`Node ${nodeName}: podCIDR ${subnet} is outside the pod network ${network}`)
    }
    const own = { nodeName, family, network, subnet, backend: netConf.backend.type }
    const found = peersAmong(store.list('Node'), own)
    plans.push({ family, network, subnet, node, peers: found.peers })
    problems.push(...found.problems)
  }
  return { plans, problems }
}
