import type { Logger } from 'pino'
import { type NftSocket, type RouteEvent, type RouteSocket, setSysctl } from '#netlink'
import { ChecksumOffload } from './checksum-offload.ts'
import { OverlayWaitError } from './errors.ts'
import { chooseExternalInterface, type ExternalInterface } from './external-interface.ts'
import type { FamilyFootprint } from './footprint.ts'
import type { OverlayOptions } from './options.ts'
import { Paths } from './paths.ts'
import type { Peer, PeerProblem } from './peers.ts'
import type { FamilyPlan } from './plan.ts'
import { networkAddress } from './prefix.ts'
import { OverlayRules } from './rules.ts'
import { ensureVxlanDevice, vxlanDeviceName } from './vxlan-device.ts'

/** Bytes the tunnel adds: Ethernet 14, outer IP 20 or 40, UDP 8, VXLAN 8. */
const OVERHEAD = { 4: 50, 6: 70 } as const

export interface PeerRow extends Peer {
  readonly family: 4 | 6
  readonly by: 'vxlan' | 'route'
}

export interface FamilyResult {
  readonly changes: readonly string[]
  readonly problems: readonly PeerProblem[]
  readonly rows: readonly PeerRow[]
  /** MTU that pods may use. */
  readonly mtu: number
  /** Where other nodes are to send to, unless the Node overrides it. */
  readonly publicIp: string
  readonly footprint: FamilyFootprint
}

/** One family of the overlay: interface, device, paths and rules. */
export class FamilyOverlay {
  readonly #family: 4 | 6
  readonly #options: OverlayOptions
  readonly #routes: RouteSocket
  readonly #rules: OverlayRules
  readonly #paths: Paths
  readonly #offload: ChecksumOffload
  readonly #again: () => void
  #external: ExternalInterface | undefined
  #device: { index: number; name: string } | undefined

  constructor(
    family: 4 | 6,
    options: OverlayOptions,
    kernel: { routes: RouteSocket; nft: NftSocket; log: Logger; again: () => void },
  ) {
    this.#family = family
    this.#options = options
    this.#routes = kernel.routes
    this.#rules = new OverlayRules(kernel.nft)
    this.#paths = new Paths(kernel.routes)
    this.#again = kernel.again
    const { backend } = options.netConf
    this.#offload = new ChecksumOffload({
      mode: backend.type === 'vxlan' ? backend.checksumOffload : 'on',
      log: kernel.log,
    })
  }

  /** Makes all of it what the plan says; without `fresh` only the peers have changed since last time. */
  reconcile(plan: FamilyPlan, options: { fresh: boolean }): FamilyResult {
    const family = this.#family
    const { backend } = this.#options.netConf
    const fresh = options.fresh || this.#external === undefined
    const external = fresh || this.#external === undefined ? this.#choose(plan) : this.#external
    this.#external = external
    const outer = backend.mtu ?? external.mtu
    const mtu = backend.type === 'vxlan' ? outer - OVERHEAD[family] : outer
    const changes: string[] = []
    if (fresh) changes.push(...this.#ground(plan, external, mtu))
    const result = this.#paths.reconcile(
      {
        family,
        network: plan.network,
        peers: plan.peers,
        external: external.index,
        device: this.#device?.index,
        direct: backend.type === 'host-gw' || backend.directRouting,
      },
      { fresh },
    )
    changes.push(...result.changes)
    if (this.#device !== undefined && family === 4) {
      const tunnelled = plan.peers.filter(({ node }) => !result.direct.has(node))
      this.#offload.probe(this.#device.index, tunnelled, this.#again)
    }
    return {
      changes,
      problems: result.problems,
      rows: plan.peers.map((peer) => ({
        ...peer,
        family,
        by: result.direct.has(peer.node) ? 'route' : 'vxlan',
      })),
      mtu,
      publicIp: this.#flagged() ?? plan.nodePublicIp ?? external.address,
      footprint: {
        network: plan.network,
        external: external.name,
        device: this.#device?.name,
        blackhole: this.#options.blackholeRoute === true,
      },
    }
  }

  /** Takes the rules away: the family is not wanted. */
  remove(): string[] {
    return this.#rules.remove(this.#family) ? [`remove rules for IPv${this.#family}`] : []
  }

  /** Are the rules as they were written? */
  rulesIntact(): boolean {
    return this.#rules.intact()
  }

  /** Does a notification touch what this rests on? Pods' own links come and go all the time. */
  disturbedBy(event: RouteEvent): boolean {
    switch (event.kind) {
      case 'link':
        return this.#watches(event.link.index) || event.link.name === this.#deviceName()
      case 'address':
        return this.#watches(event.address.index)
      default:
        return this.#paths.disturbedBy(event)
    }
  }

  stop(): void {
    this.#offload.stop()
  }

  /** What the paths stand on. */
  #ground(plan: FamilyPlan, external: ExternalInterface, mtu: number): string[] {
    const { backend } = this.#options.netConf
    const family = this.#family
    const changes: string[] = []
    this.#device = undefined
    if (backend.type === 'vxlan') {
      const made = ensureVxlanDevice(this.#routes, {
        family,
        backend,
        external,
        mac: plan.mac,
        address: networkAddress(plan.subnet),
        network: plan.network,
        mtu,
      })
      this.#device = { index: made.device.index, name: made.device.name }
      changes.push(...made.changes, ...this.#offload.ensure(this.#device))
    } else this.#refuseNat(external)
    setSysctl(family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding', '1')
    changes.push(...this.#ensureRules(plan), ...this.#ensureBlackhole(plan))
    return changes
  }

  #ensureRules({ network, subnet }: FamilyPlan): string[] {
    const { ipMasq = true, ipMasqFullyRandom = true, forwardRules = true } = this.#options
    if (!ipMasq && !forwardRules) return this.remove()
    const masquerade = !ipMasq ? 'off' : ipMasqFullyRandom ? 'random' : 'plain'
    const written = this.#rules.ensure({
      family: this.#family,
      network,
      subnet,
      masquerade,
      forward: forwardRules,
    })
    return written ? [`write rules for IPv${this.#family}`] : []
  }

  /** One that should go is found by the footprint. */
  #ensureBlackhole({ network }: FamilyPlan): string[] {
    if (this.#options.blackholeRoute !== true) return []
    const there = this.#routes
      .routes({ family: this.#family, table: 254 })
      .some(({ type, destination }) => type === 'blackhole' && destination === network)
    if (there) return []
    this.#routes.replaceRoute({ destination: network, type: 'blackhole', scope: 'global' })
    return [`set blackhole route ${network}`]
  }

  #choose(plan: FamilyPlan): ExternalInterface {
    const { iface, ifaceRegex, ifaceCanReach } = this.#options
    return chooseExternalInterface(this.#routes, this.#family, {
      ifaces: typeof iface === 'string' ? [iface] : iface,
      ifaceRegex,
      ifaceCanReach,
      publicIp: this.#flagged() ?? plan.nodePublicIp,
      internalIp: plan.internalIp,
    })
  }

  /** The address of --public-ip or --public-ipv6 for this family. */
  #flagged(): string | undefined {
    const { publicIp, publicIpv6 } = this.#options
    return [publicIpv6, publicIp].find(
      (text) => text !== undefined && text.includes(':') === (this.#family === 6),
    )
  }

  /** flannel's check: plain routes need the packets' real next hop. */
  #refuseNat(external: ExternalInterface): void {
    const asked = this.#flagged()
    if (asked === undefined || asked === external.address) return
    throw new OverlayWaitError(
      `public IP ${asked} is not the address ${external.address} of ${external.name}: host-gw cannot work behind a NAT`,
    )
  }

  #watches(index: number): boolean {
    return index === this.#external?.index || index === this.#device?.index
  }

  #deviceName(): string | undefined {
    const { backend } = this.#options.netConf
    return backend.type === 'vxlan' ? vxlanDeviceName(backend, this.#family) : undefined
  }
}
