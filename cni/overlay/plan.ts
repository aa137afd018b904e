import type { Node, Store } from '#watch'
import type { AnnotationNames } from './annotations.ts'
import { OverlayWaitError } from './errors.ts'
import type { NetConf } from './net-conf.ts'
import {
  annotatedAddress,
  internalIp,
  type Peer,
  type PeerProblem,
  PeerView,
  podNetwork,
  samePeer,
  vtepMac,
} from './peers.ts'
import { contains } from './prefix.ts'

/** What one family of the overlay is to be. */
export interface FamilyPlan {
  readonly family: 4 | 6
  readonly network: string
  readonly subnet: string
  /** Of the own tunnel device. */
  readonly mac: string
  readonly internalIp: string | undefined
  /** The annotation node-public-ip: chooses the interface. */
  readonly nodePublicIp: string | undefined
  readonly peers: readonly Peer[]
}

export interface Plan {
  readonly node: Node
  readonly families: readonly FamilyPlan[]
  readonly problems: readonly PeerProblem[]
}

/** Finds out what each family needs, from the Nodes alone. */
export class Planner {
  readonly #store: Store
  readonly #nodeName: string
  readonly #netConf: NetConf
  readonly #names: AnnotationNames
  readonly #views = new Map<4 | 6, { key: string; view: PeerView }>()

  constructor(options: { store: Store; nodeName: string; netConf: NetConf; names: AnnotationNames }) {
    this.#store = options.store
    this.#nodeName = options.nodeName
    this.#netConf = options.netConf
    this.#names = options.names
  }

  /** Throws OverlayWaitError while the own Node does not tell enough. */
  plan(): Plan {
    const node = this.#store.get('Node', this.#nodeName)
    if (node === undefined)
      throw new OverlayWaitError(`waits for Node ${this.#nodeName}: there is no such object`)
    const families: FamilyPlan[] = []
    const problems: PeerProblem[] = []
    for (const family of [4, 6] as const) {
      const network = this.#netConf.networks[family]
      if (network === undefined) continue
      const found = this.#family(node, family, network)
      families.push(found.plan)
      problems.push(...found.problems)
    }
    return { node, families, problems }
  }

  #family(node: Node, family: 4 | 6, network: string): { plan: FamilyPlan; problems: PeerProblem[] } {
    const nodeName = this.#nodeName
    const names = this.#names
    const subnet = podNetwork(node, family)
    if (subnet === undefined) {
      throw new OverlayWaitError(`waits for Node ${nodeName}: spec.podCIDRs has no IPv${family} network yet`)
    }
    if (!contains(network, subnet)) {
      throw new OverlayWaitError(
        `Node ${nodeName}: podCIDR ${subnet} is outside the pod network ${network} of net-conf.json`,
      )
    }
    const mac = vtepMac(node, family, names)
    const view = this.#view(family, { network, subnet, mac })
    const { peers, problems } = view.among(this.#store.list('Node'))
    const plan: FamilyPlan = {
      family,
      network,
      subnet,
      mac,
      internalIp: internalIp(node, family),
      nodePublicIp: annotatedAddress(node, family, names.nodePublicIp),
      peers,
    }
    return { plan, problems }
  }

  #view(family: 4 | 6, own: { network: string; subnet: string; mac: string }): PeerView {
    const key = `${own.network} ${own.subnet} ${own.mac}`
    const known = this.#views.get(family)
    if (known?.key === key) return known.view
    const view = new PeerView({
      ...own,
      nodeName: this.#nodeName,
      family,
      backend: this.#netConf.backend.type,
      names: this.#names,
    })
    this.#views.set(family, { key, view })
    return view
  }
}

/** Is everything but the peers the same? */
export function sameGround(a: readonly FamilyPlan[], b: readonly FamilyPlan[]): boolean {
  const ground = (plans: readonly FamilyPlan[]): string =>
    JSON.stringify(plans.map(({ peers: _, ...rest }) => rest))
  return ground(a) === ground(b)
}

export function samePeers(a: readonly FamilyPlan[], b: readonly FamilyPlan[]): boolean {
  return a.every(({ peers }, i) => {
    const others = b[i]?.peers ?? []
    return (
      peers.length === others.length &&
      peers.every((peer, at) => {
        const other = others[at]
        return other !== undefined && samePeer(peer, other)
      })
    )
  })
}
