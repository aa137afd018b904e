import type { Freshness } from '../../core/freshness.ts'
import { type Next, type Outcome, onReply, type Plugin, type Repeat } from '../../core/plugin.ts'
import { type Prepared, prepare } from '../../core/prepared.ts'
import { isTransfer, type Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'
import { EdnsOption, ExtendedError, Flag, isSubdomain, Rcode } from '../../wire/index.ts'
import { cacheKey, type Store, smallestTtl, storeFor } from './classify.ts'
import type { CacheMetrics } from './metrics.ts'
import type { CacheOptions, StaleOptions } from './options.ts'
import { type CacheItem, CacheStore } from './store.ts'

/** seconds that an answer without any record is kept */
const emptyTtl = 5

/**
 * Keeps answers of what comes after it in the chain. Queries for the same thing that miss at the same time wait for one
 * answer. Answers marked live (the kubernetes zones) are never kept.
 */
export class CachePlugin implements Plugin {
  readonly name = 'cache'
  readonly #options: CacheOptions
  readonly #metrics: CacheMetrics
  #stores: Readonly<Record<Store, CacheStore>>
  readonly #fetching = new Map<string, Promise<Reply>>()
  readonly #servers: readonly string[]

  constructor(parts: {
    options: CacheOptions
    metrics: CacheMetrics
    servers: readonly string[]
    previous: CachePlugin | undefined
  }) {
    this.#options = parts.options
    this.#metrics = parts.metrics
    this.#servers = parts.servers
    const { success, denial } = parts.options
    const evicted = (type: Store) => (): void => this.#metrics.evicted(this.#servers[0] ?? '', type)
    const { previous } = parts
    // A reload must not throw the cache away if it is configured as before.
    const reuse =
      previous !== undefined && JSON.stringify(previous.#options) === JSON.stringify(parts.options)
    this.#stores = reuse
      ? previous.#stores
      : {
          success: new CacheStore(success.capacity, evicted('success')),
          denial: new CacheStore(denial.capacity, evicted('denial')),
        }
  }

  start(): void {
    for (const server of this.#servers) {
      for (const type of ['success', 'denial'] as const)
        this.#metrics.entries(server, type, () => this.#stores[type].size)
    }
  }

  forget(names: Iterable<string>): void {
    for (const name of names) {
      this.#stores.success.forget(name)
      this.#stores.denial.forget(name)
    }
  }

  handle(query: Query, next: Next): Outcome {
    const { zones } = this.#options
    if (isTransfer(query.type) || !zones.some((zone) => isSubdomain(query.name, zone))) return next(query)
    const server = query.home.label
    this.#metrics.count(server, 'requests')
    const key = cacheKey(query)
    const now = performance.now()
    const hit = this.#find(query.name, key, now)
    if (hit === undefined) {
      this.#metrics.count(server, 'misses')
      return this.#fetch(query, key, next)
    }
    const { item, store } = hit
    const left = item.ttl - (now - item.stored) / 1000
    if (left <= 0 && this.#options.stale !== undefined)
      return this.#serveStale(query, key, next, { item, store, stale: this.#options.stale })
    this.#metrics.hit(server, store)
    this.#prefetch(query, key, next, { item, left, now })
    const shown = Math.max(0, Math.ceil(left))
    const reply = fromCache(query, item, this.#options.keepTtl ? item.ttl : shown)
    // Hits have to be counted one by one for prefetching.
    if (left <= 0 || this.#options.prefetch.amount > 0) return reply
    return reply.with({ plugin: this.name, freshness: freshnessOf(item, shown) })
  }

  /** Answers of the cluster pass by here without being kept: each is a miss. Its own count as hits. */
  repeat(query: Query, reply: Reply): Repeat | undefined {
    if (reply.plugin === this.name)
      return this.#metrics.hitting(
        query.home.label,
        reply.rcode === Rcode.NOERROR && reply.answered ? 'success' : 'denial',
      )
    return reply.live ? this.#metrics.passing(query.home.label) : undefined
  }

  /** A fresh item, or a stale one that may still be served. A SERVFAIL hides no good answer, not even a stale one. */
  #find(name: string, key: number, now: number): { item: CacheItem; store: Store } | undefined {
    const alive = (item: CacheItem | undefined, extraMs: number): item is CacheItem =>
      item !== undefined && now < item.stored + item.ttl * 1000 + extraMs
    const denial = this.#stores.denial.get(name, key)
    const success = this.#stores.success.get(name, key)
    const extraMs = this.#options.stale?.forMs ?? 0
    if (this.#options.preferPositive && alive(success, extraMs) && success.reply.answered)
      return { item: success, store: 'success' }
    if (alive(denial, 0) && !(denial.reply.rcode === Rcode.SERVFAIL && alive(success, extraMs)))
      return { item: denial, store: 'denial' }
    if (alive(success, 0)) return { item: success, store: 'success' }
    if (extraMs === 0) return undefined
    if (alive(success, extraMs)) return { item: success, store: 'success' }
    if (alive(denial, extraMs) && denial.reply.rcode !== Rcode.SERVFAIL)
      return { item: denial, store: 'denial' }
    return undefined
  }

  /** Asks the rest of the chain, once for all that ask at the same time. */
  #fetch(query: Query, key: number, next: Next): Outcome {
    // EDNS options (client subnet) may ask for an answer of one's own; UDP may get a truncated one that TCP must not.
    const shared = (query.edns?.options.length ?? 0) === 0
    const running = shared && this.#fetching.size > 0 ? this.#fetching.get(flightOf(query, key)) : undefined
    if (running !== undefined) return running.then((reply) => withFlags(query, reply))
    // What is kept is for clients with and without AD.
    query.askAuthentic()
    const given = next(query)
    if (!(given instanceof Promise)) return withFlags(query, this.#keep(query, key, given))
    const outcome = given.then((reply) => this.#keep(query, key, reply))
    if (shared) {
      const flight = flightOf(query, key)
      this.#fetching.set(flight, outcome)
      const done = (): void => void this.#fetching.delete(flight)
      outcome.then(done, done)
    }
    return outcome.then((reply) => withFlags(query, reply))
  }

  #keep(query: Query, key: number, reply: Reply): Reply {
    const store = storeFor(query, reply)
    if (store === undefined) return this.#limited(reply, 'success')
    if (this.#options.disabled[store].some((zone) => isSubdomain(query.name, zone)))
      return this.#limited(reply, store)
    const failed = reply.rcode === Rcode.SERVFAIL
    const ttl = this.#ttlFor(reply, store)
    if (ttl <= 0) return reply
    const keepsPositive =
      this.#options.preferPositive &&
      !reply.answered &&
      this.#stores.success.get(query.name, key)?.reply.answered === true
    if (keepsPositive && store === 'success') return reply
    const prepared = preparedFor(query, reply)
    if (prepared === undefined) return reply
    const kept = reply.with({ prepared, ttl, options: [] })
    const item: CacheItem = {
      reply: kept,
      ttl,
      stored: performance.now(),
      hits: 0,
      lastHit: 0,
      nextRefresh: 0,
      freshness: undefined,
    }
    this.#stores[store].put(query.name, key, item)
    // What is right now replaces what was; a failure replaces nothing.
    if (!failed && !keepsPositive)
      this.#stores[store === 'success' ? 'denial' : 'success'].delete(query.name, key)
    return kept.with({ options: reply.options })
  }

  /** What is not kept lives no longer at the client than if it were. */
  #limited(reply: Reply, store: Store): Reply {
    const asItIs = reply.live || reply.prepared === undefined || reply.rcode === Rcode.SERVFAIL
    return asItIs ? reply : reply.with({ ttl: this.#ttlFor(reply, store) })
  }

  #ttlFor(reply: Reply, store: Store): number {
    if (reply.rcode === Rcode.SERVFAIL) return this.#options.servfailTtl
    const { minTtl, maxTtl } = this.#options[store]
    const smallest = smallestTtl(reply)
    if (smallest === undefined) return Math.min(emptyTtl, maxTtl)
    return Math.min(Math.max(smallest, minTtl), maxTtl)
  }

  #prefetch(query: Query, key: number, next: Next, at: { item: CacheItem; left: number; now: number }): void {
    const { amount, windowMs, percentage } = this.#options.prefetch
    if (amount === 0) return
    const { item, left, now } = at
    item.hits = now - item.lastHit < windowMs ? item.hits + 1 : 1
    item.lastHit = now
    if (item.hits < amount || left > Math.ceil((percentage / 100) * item.ttl) || now < item.nextRefresh)
      return
    item.nextRefresh = now + 1000
    this.#metrics.count(query.home.label, 'prefetch')
    this.#refresh(query, key, next, item)
  }

  /** Fetches in the background. A failure leaves the old item. */
  #refresh(query: Query, key: number, next: Next, old: CacheItem): void {
    const copy = query.derive({})
    Promise.resolve()
      .then(() => this.#fetch(copy, key, next))
      .then(() => {
        const fresh = this.#stores.success.get(query.name, key)
        if (fresh !== undefined && fresh !== old) fresh.hits = old.hits
      })
      .catch(() => undefined)
  }

  #serveStale(
    query: Query,
    key: number,
    next: Next,
    at: { item: CacheItem; store: Store; stale: StaleOptions },
  ): Outcome {
    const { item, stale } = at
    const positiveOnly = this.#options.preferPositive && item.reply.answered
    const answer = (): Reply => {
      this.#metrics.count(query.home.label, 'stale')
      const code = Buffer.from([ExtendedError.STALE_ANSWER >> 8, ExtendedError.STALE_ANSWER & 255])
      return fromCache(query, item, stale.ttl).with({ options: [{ code: EdnsOption.EDE, data: code }] })
    }
    const now = performance.now()
    if (now < item.nextRefresh) return answer()
    if (stale.mode === 'immediate') {
      item.nextRefresh = now + stale.recheckMs
      this.#refresh(query, key, next, item)
      return answer()
    }
    const good = (reply: Reply): Reply => {
      if (reply.rcode === Rcode.NOERROR && (reply.answered || !positiveOnly)) return reply
      if (reply.rcode === Rcode.NXDOMAIN && !positiveOnly) return reply
      item.nextRefresh = performance.now() + stale.recheckMs
      return answer()
    }
    const fresh = this.#fetch(query, key, next)
    if (!(fresh instanceof Promise) || stale.verifyTimeoutMs === 0) return onReply(fresh, good)
    const timeout = new Promise<Reply>((resolve) =>
      setTimeout(() => resolve(answer()), stale.verifyTimeoutMs).unref(),
    )
    return Promise.race([fresh.then(good), timeout])
  }
}

/** What queries that may share one answer have in common. */
function flightOf(query: Query, key: number): string {
  return `${query.peer.transport} ${key} ${query.flags & Flag.RD} ${query.name}`
}

/** Until the TTL shown is another one. */
function freshnessOf(item: CacheItem, shown: number): Freshness {
  const until = item.stored + (item.ttl - shown + 1) * 1000
  if (item.freshness === undefined || item.freshness.until !== until) item.freshness = { stale: false, until }
  return item.freshness
}

/** The item as an answer to this client: AD only for clients that know it (RFC 6840 §5.8). */
function fromCache(query: Query, item: CacheItem, ttl: number): Reply {
  return withFlags(query, item.reply.with({ ttl, options: [] }))
}

function withFlags(query: Query, reply: Reply): Reply {
  if (!reply.authenticData || query.dnssecOk || (query.flags & Flag.AD) !== 0) return reply
  return reply.with({ authenticData: false })
}

/** The octets to keep: those the reply has, if their question is this one, else rendered now. */
function preparedFor(query: Query, reply: Reply): Prepared | undefined {
  if (reply.prepared !== undefined && reply.prepared.questionEnd === query.questionEnd) return reply.prepared
  const { answer, authority, additional } = reply
  return prepare(
    { name: query.originalName, type: query.type, class: query.class },
    { answer, authority, additional },
  )
}
