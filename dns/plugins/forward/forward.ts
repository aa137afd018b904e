import type { Logger } from 'pino'
import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import { adopt } from '../../core/prepared.ts'
import type { Query } from '../../core/query.ts'
import { failure, Reply } from '../../core/reply.ts'
import { decodeMessage, Flag, isSubdomain, Rcode, readU16, WireError } from '../../wire/index.ts'
import type { ForwardMetrics } from './metrics.ts'
import type { ForwardOptions, UpstreamAddress } from './options.ts'
import { makePolicy } from './policy.ts'
import { resolveUpstreams } from './resolve.ts'
import { Upstream } from './upstream.ts'

/** All attempts for one query together may take this long. */
const deadlineMs = 5000
/** names of upstreams that had no address are looked up again after this time */
const retryMs = 10_000
/** the upstream of a query, for as long as it is remembered elsewhere */
const asked = new WeakMap<Query, string>()

/** Sends queries on to other servers. */
export class ForwardPlugin implements Plugin {
  readonly name = 'forward'
  readonly #options: ForwardOptions
  readonly #metrics: ForwardMetrics
  readonly #log: Logger
  #upstreams: readonly Upstream[] = []
  #order: () => readonly Upstream[] = () => []
  #underWay = 0
  #again: NodeJS.Timeout | undefined

  constructor(options: ForwardOptions, metrics: ForwardMetrics, log: Logger) {
    this.#options = options
    this.#metrics = metrics
    this.#log = log
    this.#use(options.to.filter(({ host }) => host === undefined))
  }

  #use(addresses: readonly UpstreamAddress[]): void {
    const known = this.#upstreams
    this.#upstreams = addresses.map(
      (at) =>
        known.find(({ address }) => address.address === at.address && address.port === at.port) ??
        new Upstream(at, this.#options, this.#metrics),
    )
    this.#order = makePolicy(this.#options.policy, this.#upstreams)
  }

  /** Names among the upstreams become their addresses, once (CoreDNS does the same). */
  async start(): Promise<void> {
    const { to, resolvers } = this.#options
    if (to.every(({ host }) => host === undefined)) return
    const found = await resolveUpstreams(to, resolvers)
    if (found.missing.length > 0)
      this.#log.warn({ object: found.missing.join(', ') }, 'upstreams have no address now')
    if (found.addresses.length > 0) this.#use(found.addresses)
    if (found.missing.length === 0) return
    // The server that knows them may come up only after us.
    this.#again = setTimeout(() => void this.start(), retryMs)
    this.#again.unref()
  }

  /** For *metadata*: the upstream that was asked last for this query. */
  label(query: Query, name: string): string | undefined {
    return name === 'forward/upstream' ? asked.get(query) : undefined
  }

  handle(query: Query, next: Next): Outcome {
    const { from, except, maxConcurrent } = this.#options
    if (!isSubdomain(query.name, from) || except.some((zone) => isSubdomain(query.name, zone)))
      return next(query)
    if (maxConcurrent > 0 && this.#underWay >= maxConcurrent) {
      this.#metrics.rejects.value += 1
      return failure(
        Rcode.REFUSED,
        this.name,
        new Error(`concurrent queries exceeded maximum ${maxConcurrent}`),
      )
    }
    this.#underWay += 1
    return this.#ask(query).then(
      (reply) => {
        this.#underWay -= 1
        return this.#goesOn(reply) ? next(query) : reply
      },
      (error: unknown) => {
        this.#underWay -= 1
        return failure(Rcode.SERVFAIL, this.name, error instanceof Error ? error : new Error(String(error)))
      },
    )
  }

  async stop(): Promise<void> {
    clearTimeout(this.#again)
    // What is under way gets its answer (or its timeout) before the sockets go; nobody waits for that here.
    const end = performance.now() + deadlineMs
    const finish = (): void => {
      if (this.#underWay > 0 && performance.now() < end) setTimeout(finish, 50).unref()
      else for (const upstream of this.#upstreams) upstream.close()
    }
    finish()
  }

  #goesOn(reply: Reply): boolean {
    if (this.#options.next.has(reply.rcode)) return true
    return this.#options.nextOnNoData && reply.rcode === Rcode.NOERROR && !reply.answered
  }

  /**
   * Tries upstreams in the order of the policy. When one takes much longer than usual the next is asked as well and the
   * first answer counts: a lost packet need not cost the whole read timeout.
   */
  #ask(query: Query): Promise<Reply> {
    const order = this.#order()
    const { maxAttempts, failover } = this.#options
    const limit = maxAttempts > 0 ? maxAttempts : 2 * order.length
    const end = performance.now() + deadlineMs
    return new Promise((resolve, reject) => {
      let attempts = 0
      let open = 0
      let done = false
      let hedge: NodeJS.Timeout | undefined
      let last: { reply?: Reply; error?: unknown } = {}
      const settle = (reply: Reply): void => {
        done = true
        clearTimeout(hedge)
        resolve(reply)
      }
      const launch = (): void => {
        clearTimeout(hedge)
        if (done) return
        if (attempts >= limit || performance.now() >= end) {
          if (open > 0) return
          done = true
          if (last.reply !== undefined) resolve(last.reply)
          else reject(last.error ?? new Error('no upstream could be asked'))
          return
        }
        const upstream = this.#pick(order, attempts)
        if (upstream === undefined) {
          done = true
          reject(new Error('all upstreams are down'))
          return
        }
        attempts += 1
        open += 1
        if (order.length > 1) {
          hedge = setTimeout(launch, upstream.patienceMs)
          hedge.unref()
        }
        this.#exchange(query, upstream).then(
          (reply) => {
            open -= 1
            if (done) return
            if (failover.has(reply.rcode) && attempts < order.length) {
              last = { reply }
              launch()
            } else settle(reply)
          },
          (error: unknown) => {
            open -= 1
            last = { ...last, error }
            launch()
          },
        )
      }
      launch()
    })
  }

  /** The next upstream that is not down; if all are, any (or none with failfast). */
  #pick(order: readonly Upstream[], attempt: number): Upstream | undefined {
    for (let i = 0; i < order.length; i += 1) {
      const upstream = order[(attempt + i) % order.length] as Upstream
      if (!upstream.down) return upstream
    }
    this.#metrics.healthBroken.value += 1
    if (this.#options.failFast) return undefined
    return order[Math.floor(Math.random() * order.length)]
  }

  async #exchange(query: Query, upstream: Upstream): Promise<Reply> {
    const { forceTcp, preferUdp } = this.#options
    if (query.labels !== undefined) asked.set(query, upstream.label)
    const udp = !forceTcp && (preferUdp || query.peer.transport === 'udp')
    let octets = await this.#send(query, upstream, udp ? 'udp' : 'tcp')
    const truncated = (readU16(octets, 2) & Flag.TC) !== 0
    if (truncated && udp && preferUdp) octets = await this.#send(query, upstream, 'tcp')
    return this.#replyOf(octets)
  }

  async #send(query: Query, upstream: Upstream, transport: 'udp' | 'tcp'): Promise<Buffer> {
    const { onExchange, outgoing } = query
    if (onExchange === undefined) return upstream.exchange(outgoing, query.questionEnd, transport)
    const { address, port, tls, https } = upstream.address
    const over = tls === undefined ? transport : https === true ? 'https' : 'tls'
    const began = Date.now()
    const tell = (reply: Buffer | undefined): void =>
      onExchange({ address, port, transport: over, query: outgoing, reply, began })
    try {
      const reply = await upstream.exchange(outgoing, query.questionEnd, transport)
      tell(reply)
      return reply
    } catch (error) {
      tell(undefined)
      throw error
    }
  }

  /** What an upstream sent, as it is; its OPT is hop-by-hop and goes. */
  #replyOf(octets: Buffer): Reply {
    const flags = readU16(octets, 2)
    const head = {
      rcode: flags & 15,
      authoritative: (flags & Flag.AA) !== 0,
      recursionAvailable: (flags & Flag.RA) !== 0,
      authenticData: (flags & Flag.AD) !== 0,
      truncated: (flags & Flag.TC) !== 0,
      plugin: this.name,
    }
    const prepared = adopt(octets)
    if (prepared !== undefined) return new Reply({ ...head, prepared })
    try {
      const { answer, authority, additional, rcode } = decodeMessage(octets)
      return new Reply({ ...head, rcode, answer, authority, additional })
    } catch (error) {
      // Cut in the middle of a record: the client has to come back over TCP.
      if (error instanceof WireError) return new Reply({ ...head, truncated: true })
      throw error
    }
  }
}
