import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { Counter, Gauge } from 'prom-client'
import { NftSocket, type RouteEvent, RouteMonitor, RouteSocket } from '#netlink'
import type { Subscription } from '#watch'
import { type AnnotationNames, annotationNames } from './annotations.ts'
import { OverlayWaitError } from './errors.ts'
import { FamilyOverlay, type FamilyResult, type PeerRow } from './family-overlay.ts'
import { footprintFile, loadFootprint, removeLeftovers, saveFootprint } from './footprint.ts'
import { startHealthEndpoint } from './health-endpoint.ts'
import type { OverlayOptions } from './options.ts'
import type { PeerProblem } from './peers.ts'
import { type FamilyPlan, type Plan, Planner, sameGround, samePeers } from './plan.ts'
import { PodBridge } from './pod-bridge.ts'
import { nodePatch } from './publication.ts'
import { Publisher } from './publisher.ts'
import { writeSubnetEnv } from './subnet-env.ts'

/** The kernel is compared with what it should hold this often even if nothing seems to have changed. */
const RESYNC_MS = 10_000
/**
 * How often to ask whether somebody has changed the rules. nf_tables has notifications, but as soon as anybody listens
 * the kernel makes them for every element the proxy writes; the generation is one number, asked for in microseconds.
 */
const RULE_CHECK_MS = 1000
/** Events come in flocks; they are answered once. */
const SETTLE_MS = 20
/** More changes than this are logged as a number. */
const LOGGED_CHANGES = 12

/** The network between nodes, in the network namespace of the process. Stopping leaves everything in place. */
export class Overlay {
  readonly name = 'overlay'
  readonly #options: OverlayOptions
  readonly #log: Logger
  readonly #names: AnnotationNames
  readonly #routes = new RouteSocket()
  readonly #nft = new NftSocket()
  readonly #planner: Planner
  readonly #families: Readonly<Record<4 | 6, FamilyOverlay>>
  readonly #monitor: RouteMonitor
  readonly #subscription: Subscription
  readonly #resync: NodeJS.Timeout
  readonly #ruleCheck: NodeJS.Timeout
  readonly #bridge: PodBridge
  readonly #publisher: Publisher | undefined
  readonly #peerGauge: Gauge
  readonly #changeCounter: Counter
  #endpoint: FastifyInstance | undefined
  #settling: NodeJS.Timeout | undefined
  #peers: readonly PeerRow[] = []
  #problems = new Map<string, string>()
  #failure: string | undefined = 'not reconciled yet'
  #plans: readonly FamilyPlan[] = []
  #results: readonly FamilyResult[] = []
  #footprint: string | undefined
  #stopped = false

  constructor(options: OverlayOptions) {
    this.#options = options
    const { log } = options
    this.#log = log
    this.#names = annotationNames(options.annotationPrefix)
    this.#planner = new Planner({ ...options, names: this.#names })
    const again = (): void => this.#schedule()
    const kernel = { routes: this.#routes, nft: this.#nft, log, again }
    this.#families = { 4: new FamilyOverlay(4, options, kernel), 6: new FamilyOverlay(6, options, kernel) }
    this.#bridge = new PodBridge(this.#routes, log)
    const { publish, metrics } = options
    this.#publisher = publish === undefined ? undefined : new Publisher({ publish, log })
    const registers = [metrics]
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
    const { ignored } = options.netConf
    if (ignored.length > 0) log.warn({ keys: ignored }, 'net-conf.json has keys of no use here')
    this.#monitor = new RouteMonitor({
      groups: ['link', 'neighbour', 'ipv4-address', 'ipv6-address', 'ipv4-route', 'ipv6-route'],
      onEvent: (event) => {
        if (this.#concerns(event)) this.#schedule()
      },
      onLost: again,
    })
    // The first notification comes with the whole state and reconciles.
    this.#subscription = options.store.subscribe({ name: 'overlay', kinds: ['Node'] }, () =>
      this.reconcile('nodes'),
    )
    this.#resync = setInterval(() => this.reconcile('resync'), RESYNC_MS)
    this.#resync.unref()
    this.#ruleCheck = setInterval(() => this.#checkRules(), RULE_CHECK_MS)
    this.#ruleCheck.unref()
  }

  /** Opens the probes' endpoint if one is asked for. */
  async listen(): Promise<void> {
    const { healthz } = this.#options
    if (healthz === undefined) return
    this.#endpoint = await startHealthEndpoint(healthz, () => this.health())
  }

  health(): { ok: boolean; detail?: string | undefined } {
    if (this.#failure !== undefined) return { ok: false, detail: this.#failure }
    const problems = [...this.#problems].map(([node, problem]) =>
      node === '' ? problem : `Node ${node}: ${problem}`,
    )
    const unpublished = this.#publisher?.failure
    if (unpublished !== undefined) problems.push(`own Node cannot be patched: ${unpublished}`)
    return problems.length === 0 ? { ok: true } : { ok: true, detail: problems.join('; ') }
  }

  /** The peers and how they are reached, for `plexus get peers`. */
  describePeers(): readonly PeerRow[] {
    return this.#peers
  }

  /** Why a Node is no peer, by its name. */
  peerProblems(): ReadonlyMap<string, string> {
    return this.#problems
  }

  /** Ends watching; devices, routes and rules stay, so that traffic goes on. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    clearInterval(this.#resync)
    clearTimeout(this.#settling)
    this.#subscription.close()
    this.#monitor.close()
    clearInterval(this.#ruleCheck)
    this.#publisher?.close()
    for (const family of Object.values(this.#families)) family.stop()
    this.#routes.close()
    this.#nft.close()
    await this.#endpoint?.close()
  }

  /**
   * Makes the kernel what the Nodes ask for. With reason 'nodes' only what changed since last time is touched, and
   * nothing if nothing did: Nodes change with every heartbeat. Otherwise everything is compared with the kernel.
   */
  reconcile(reason: 'nodes' | 'event' | 'resync'): void {
    if (this.#stopped) return
    try {
      const plan = this.#planner.plan()
      const { families } = plan
      const fresh = reason !== 'nodes' || this.#failure !== undefined || !sameGround(families, this.#plans)
      if (fresh || !samePeers(families, this.#plans)) this.#carryOut(plan, { fresh, reason })
      else this.#publish(plan, this.#results)
      this.#plans = families
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

  #carryOut(plan: Plan, { fresh, reason }: { fresh: boolean; reason: string }): void {
    const { families } = plan
    const results = families.map((each) => this.#families[each.family].reconcile(each, { fresh }))
    this.#results = results
    const changes = results.flatMap((result) => result.changes)
    if (fresh) {
      for (const family of [4, 6] as const) {
        if (families.every((each) => each.family !== family)) changes.push(...this.#families[family].remove())
      }
      changes.push(...this.#removeLeftovers(families, results))
    }
    this.#peers = results.flatMap(({ rows }) => rows)
    this.#peerGauge.set(this.#peers.length)
    this.#noteProblems([...plan.problems, ...results.flatMap(({ problems }) => problems)])
    const { subnetFile, ipMasq = true } = this.#options
    const mtu = Math.min(...results.map((result) => result.mtu))
    if (fresh) changes.push(...this.#bridge.ensure({ subnets: families.map(({ subnet }) => subnet), mtu }))
    if (writeSubnetEnv(subnetFile, { families, mtu, masquerade: ipMasq })) changes.push(`write ${subnetFile}`)
    this.#report(changes, reason)
    this.#publish(plan, results)
  }

  /** What an earlier configuration made and this one does not want; looked for once, and after every change of it. */
  #removeLeftovers(families: readonly FamilyPlan[], results: readonly FamilyResult[]): string[] {
    const now = Object.fromEntries(families.map(({ family }, i) => [family, results[i]?.footprint]))
    const text = JSON.stringify(now)
    if (text === this.#footprint) return []
    const file = footprintFile(this.#options.subnetFile)
    const changes = removeLeftovers(this.#routes, loadFootprint(file), now)
    saveFootprint(file, now)
    this.#footprint = text
    return changes
  }

  #publish(plan: Plan, results: readonly FamilyResult[]): void {
    if (this.#publisher === undefined) return
    const { backend } = this.#options.netConf
    const families = plan.families.map(({ family, mac }, i) => ({
      family,
      mac,
      publicIp: results[i]?.publicIp ?? '',
    }))
    const patch = nodePatch(
      plan.node,
      { backend, families },
      {
        names: this.#names,
        setNetworkUnavailable: this.#options.setNodeNetworkUnavailable !== false,
        now: new Date(),
      },
    )
    this.#publisher.offer(patch)
  }

  #noteProblems(problems: readonly PeerProblem[]): void {
    const now = new Map(problems.map(({ node, problem }) => [node, problem]))
    for (const [node, problem] of now) {
      if (this.#problems.get(node) === problem) continue
      if (node === '') this.#log.warn({ problem }, 'something stale cannot be removed')
      else this.#log.warn({ object: `Node ${node}`, problem }, 'no way to a node')
    }
    this.#problems = now
  }

  #report(changes: readonly string[], reason: string): void {
    if (changes.length === 0) return
    this.#changeCounter.inc(changes.length)
    const shown = changes.length > LOGGED_CHANGES ? [...changes.slice(0, LOGGED_CHANGES), '...'] : changes
    this.#log.info({ reason, changes: changes.length, what: shown }, 'overlay changed')
  }

  #concerns(event: RouteEvent): boolean {
    if (this.#failure !== undefined) return event.kind !== 'neighbour' && event.kind !== 'fdb'
    return this.#families[4].disturbedBy(event) || this.#families[6].disturbedBy(event)
  }

  #checkRules(): void {
    if (this.#stopped || this.#failure !== undefined) return
    try {
      if (this.#plans.some(({ family }) => !this.#families[family].rulesIntact())) this.reconcile('event')
    } catch (error) {
      this.#log.warn({ err: error }, 'rules could not be read')
    }
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
  try {
    await overlay.listen()
  } catch (error) {
    await overlay.stop()
    throw error
  }
  return overlay
}
