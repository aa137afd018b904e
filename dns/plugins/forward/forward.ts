import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import { adopt } from '../../core/prepared.ts'
import type { Query } from '../../core/query.ts'
import { failure, Reply } from '../../core/reply.ts'
import { decodeMessage, Flag, isSubdomain, Rcode, readU16, WireError } from '../../wire/index.ts'
import type { ForwardMetrics } from './metrics.ts'
import type { ForwardOptions } from './options.ts'
import { makePolicy } from './policy.ts'
import { Upstream } from './upstream.ts'

/** All attempts for one query together may take this long. */
const deadlineMs = 5000

/** Sends queries on to other servers. */
export class ForwardPlugin implements Plugin {
  readonly name = 'forward'
  readonly #options: ForwardOptions
  readonly #metrics: ForwardMetrics
  readonly #upstreams: readonly Upstream[]
  readonly #order: () => readonly Upstream[]
  #underWay = 0

  constructor(options: ForwardOptions, metrics: ForwardMetrics) {
    this.#options = options
    this.#metrics = metrics
    this.#upstreams = options.to.map((address) => new Upstream(address, options, metrics))
    this.#order = makePolicy(options.policy, this.#upstreams)
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
    const udp = !forceTcp && (preferUdp || query.peer.transport === 'udp')
    let octets = await upstream.exchange(query.wire, query.questionEnd, udp ? 'udp' : 'tcp')
    const truncated = (readU16(octets, 2) & Flag.TC) !== 0
    if (truncated && udp && preferUdp) octets = await upstream.exchange(query.wire, query.questionEnd, 'tcp')
    return this.#replyOf(octets)
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
