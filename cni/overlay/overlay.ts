import type { Logger } from 'pino'
import { Counter, Gauge, type Registry } from 'prom-client'
import { NftSocket, type RouteEvent, RouteMonitor, RouteSocket, setSysctl } from '#netlink'
import type { Store, Subscription } from '#watch'
import { OverlayWaitError } from './errors.ts'
import { chooseExternalInterface, type ExternalInterface } from './external-interface.ts'
import type { NetConf } from './net-conf.ts'
import { reconcilePaths } from './paths.ts'
import { internalIp, type Peer, type PeerProblem, vtepMac } from './peers.ts'
import { type FamilyPlan, makePlans } from './plan.ts'
import { networkAddress } from './prefix.ts'
import { OverlayRules } from './rules.ts'
import { writeSubnetEnv } from './subnet-env.ts'
import { ensureVxlanDevice, vxlanDeviceName } from './vxlan-device.ts'

/** Bytes the tunnel adds: Ethernet 14, outer IP 20 or 40, UDP 8, VXLAN 8. */
const OVERHEAD = { 4: 50, 6: 70 } as const
/** The kernel is compared with what it should hold this often even if nothing seems to have changed. */
const RESYNC_MS = 10_000
/** Events come in flocks; they are answered once. */
const SETTLE_MS = 20
/** More changes than this are logged as a number. */
const LOGGED_CHANGES = 12

export interface OverlayOptions {
  store: Store
  /** The Node object that this machine is. */
  nodeName: string
  netConf: NetConf
  /** Where subnet.env goes. */
  subnetFile: string
  log: Logger
  metrics: Registry
  publicIp?: string | undefined
  /** Name or address of the external interface. */
  iface?: string | undefined
}

interface PeerRow extends Peer {
  readonly family: 4 | 6
  readonly by: 'vxlan' | 'route'
}

/** The network between nodes, in the network namespace of the process. Stopping leaves everything in place. */
export class Overlay {
  readonly name = 'overlay'
  readonly #options: OverlayOptions
  readonly #log: Logger
  readonly #routes = new RouteSocket()
  readonly #nft = new NftSocket()
  readonly #rules: Readonly<Record<4 | 6, OverlayRules>>
  readonly #monitor: RouteMonitor
  readonly #subscription: Subscription
  readonly #resync: NodeJS.Timeout
  readonly #peerGauge: Gauge
  readonly #changeCounter: Counter
  #settling: NodeJS.Timeout | undefined
  /** External interfaces and tunnel devices. */
  #watched = new Set<number>()
  #tunnels = new Set<number>()
  #peers: readonly PeerRow[] = []
  #problems = new Map<string, string>()
  #failure: string | undefined = 'not reconciled yet'
  #plan = ''
  #stopped = false

  constructor(options: OverlayOptions) {
    this.#options = options
    this.#log = options.log.child({ component: 'overlay' })
    this.#rules = { 4: new OverlayRules(this.#nft), 6: new OverlayRules(this.#nft) }
    const registers = [options.metrics]
    this.#peerGauge = new Gauge({
      name: 'plexus_overlay_peers',
      help: 'Nodes the overlay leads to',
      registers,
    })
    this.#changeCounter = new Counter({
      name: 'plexus_overlay_changes_total',
      help: 'Corrections made to devices, neighbours, forwarding entries, routes and rules',
      registers,
    })
    this.#monitor = new RouteMonitor({
      groups: ['link', 'neighbour', 'ipv4-address', 'ipv6-address', 'ipv4-route', 'ipv6-route'],
      onEvent: (event) => {
        if (this.#concerns(event)) this.#schedule()
      },
      onLost: () => this.#schedule(),
    })
    // The first notification comes with the whole state and reconciles.
    this.#subscription = options.store.subscribe({ name: 'overlay', kinds: ['Node'] }, () =>
      this.reconcile('nodes'),
    )
    this.#resync = setInterval(() => this.reconcile('resync'), RESYNC_MS)
    this.#resync.unref()
  }

  health(): { ok: boolean; detail?: string | undefined } {
    if (this.#failure !== undefined) return { ok: false, detail: this.#failure }
    const problems = [...this.#problems].map(([node, problem]) => `Node ${node}: ${problem}`)
    return problems.length === 0 ? { ok: true } : { ok: true, detail: problems.join('; ') }
  }

  /** The peers and how they are reached, for `plexus get peers`. */
  describePeers(): readonly PeerRow[] {
    return this.#peers
  }

  /** Ends watching; devices, routes and rules stay, so that traffic goes on. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    clearInterval(this.#resync)
    clearTimeout(this.#settling)
    this.#subscription.close()
    this.#monitor.close()
    this.#routes.close()
    this.#nft.close()
  }

  /**
   * Compares everything with what the Nodes ask for and corrects it. With reason 'nodes' the kernel is only looked at
   * if the plan has changed: Nodes change with every heartbeat.
   */
  reconcile(reason: 'nodes' | 'event' | 'resync'): void {
    if (this.#stopped) return
    try {
      const { plans, problems } = makePlans(this.#options)
      const plan = JSON.stringify(plans.map(({ node: _, ...rest }) => rest))
      if (reason === 'nodes' && plan === this.#plan && this.#failure === undefined) return
      this.#carryOut(plans, problems, reason)
      this.#plan = plan
      if (this.#failure !== undefined) this.#log.info({ peers: this.#peers.length }, 'overlay is in place')
      this.#failure = undefined
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (message !== this.#failure) {
        if (error instanceof OverlayWaitError) this.#log.warn({ reason: message }, 'overlay waits')
        else this.#log.error({ err: error }, 'overlay could not be set up')
      }
      this.#failure = message
    }
  }

  #carryOut(plans: readonly FamilyPlan[], problems: PeerProblem[], reason: string): void {
    const changes: string[] = []
    const rows: PeerRow[] = []
    const mtus: number[] = []
    const watched = new Set<number>()
    const tunnels = new Set<number>()
    for (const plan of plans) {
      const external = this.#external(plan)
      watched.add(external.index)
      mtus.push(this.#reconcileFamily(plan, external, { changes, rows, problems, tunnels }))
      this.#forward(plan.family)
      if (this.#rules[plan.family].ensure(plan)) changes.push(`write rules for IPv${plan.family}`)
    }
    this.#watched = watched.union(tunnels)
    this.#tunnels = tunnels
    this.#peers = rows
    this.#peerGauge.set(rows.length)
    this.#noteProblems(problems)
    const env = { families: plans, mtu: Math.min(...mtus) }
    if (writeSubnetEnv(this.#options.subnetFile, env)) changes.push(`write ${this.#options.subnetFile}`)
    this.#report(changes, reason)
  }

  /** Devices and paths of one family; returns the MTU of its pods. */
  #reconcileFamily(
    plan: FamilyPlan,
    external: ExternalInterface,
    out: { changes: string[]; rows: PeerRow[]; problems: PeerProblem[]; tunnels: Set<number> },
  ): number {
    const { backend } = this.#options.netConf
    const { family, network, subnet, peers, node } = plan
    const outer = backend.mtu ?? external.mtu
    const mtu = backend.type === 'vxlan' ? outer - OVERHEAD[family] : outer
    let device: number | undefined
    if (backend.type === 'vxlan') {
      const made = ensureVxlanDevice(this.#routes, {
        family,
        backend,
        external,
        mac: vtepMac(node, family),
        address: networkAddress(subnet),
        network,
        mtu,
      })
      device = made.device.index
      out.tunnels.add(device)
      out.changes.push(...made.changes)
    }
    const direct = backend.type === 'host-gw' || backend.directRouting
    const result = reconcilePaths(this.#routes, {
      family,
      network,
      peers,
      external: external.index,
      device,
      direct,
    })
    out.changes.push(...result.changes)
    out.problems.push(...result.problems)
    for (const peer of peers) {
      out.rows.push({ ...peer, family, by: result.direct.has(peer.node) ? 'route' : 'vxlan' })
    }
    return mtu
  }

  #external(plan: FamilyPlan): ExternalInterface {
    const { iface, publicIp } = this.#options
    return chooseExternalInterface(this.#routes, plan.family, {
      iface,
      publicIp:
        publicIp !== undefined && publicIp.includes(':') === (plan.family === 6) ? publicIp : undefined,
      internalIp: internalIp(plan.node, plan.family),
    })
  }

  #forward(family: 4 | 6): void {
    setSysctl(family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding', '1')
  }

  #noteProblems(problems: readonly PeerProblem[]): void {
    const now = new Map(problems.map(({ node, problem }) => [node, problem]))
    for (const [node, problem] of now) {
      if (this.#problems.get(node) !== problem)
        this.#log.warn({ object: `Node ${node}`, problem }, 'no way to a node')
    }
    this.#problems = now
  }

  #report(changes: readonly string[], reason: string): void {
    if (changes.length === 0) return
    this.#changeCounter.inc(changes.length)
    const shown = changes.length > LOGGED_CHANGES ? [...changes.slice(0, LOGGED_CHANGES), '...'] : changes
    this.#log.info({ reason, changes: changes.length, what: shown }, 'overlay changed')
  }

  /** Does a notification touch what the overlay rests on? Pods' own links come and go all the time. */
  #concerns(event: RouteEvent): boolean {
    if (this.#failure !== undefined) return event.kind !== 'neighbour'
    switch (event.kind) {
      case 'link':
        return this.#watched.has(event.link.index) || this.#isDevice(event.link.name)
      case 'address':
        return this.#watched.has(event.address.index)
      case 'route':
        return event.deleted && event.route.index !== undefined && this.#watched.has(event.route.index)
      case 'neighbour':
        // Ours are permanent: one that is deleted or in another state was interfered with.
        return (
          this.#tunnels.has(event.neighbour.index) && (event.deleted || event.neighbour.state !== 'permanent')
        )
    }
  }

  #isDevice(name: string): boolean {
    const { backend } = this.#options.netConf
    return (
      backend.type === 'vxlan' &&
      (name === vxlanDeviceName(backend, 4) || name === vxlanDeviceName(backend, 6))
    )
  }

  #schedule(): void {
    if (this.#settling !== undefined || this.#stopped) return
    this.#settling = setTimeout(() => {
      this.#settling = undefined
      this.reconcile('event')
    }, SETTLE_MS)
    this.#settling.unref()
  }
}

/**
 * Starts the overlay and resolves after its first attempt. It does not fail for what may come yet (a Node without
 * podCIDR, an interface without address): it waits, and `health()` says for what.
 */
export async function startOverlay(options: OverlayOptions): Promise<Overlay> {
  await options.store.whenSynced()
  const overlay = new Overlay(options)
  overlay.reconcile('nodes')
  return overlay
}
