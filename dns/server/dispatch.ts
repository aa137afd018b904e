import type { Freshness } from '../core/freshness.ts'
import { type Next, nothingToRepeat, type Outcome, type Plugin, type Repeat } from '../core/plugin.ts'
import { isTransfer, Query, type QueryHome } from '../core/query.ts'
import { headerOnly, receive } from '../core/receive.ts'
import { render } from '../core/render.ts'
import { failure, type Reply } from '../core/reply.ts'
import { Class, Opcode, Rcode, Type } from '../wire/index.ts'
import { RepeatTable } from './repeat-table.ts'
import type { QuickAnswer, Receiver, Respond } from './transport.ts'

/** What a server block is for the dispatcher. */
export interface Route {
  readonly zone: string
  /** true where classes other than IN make sense (chaos, forward) */
  readonly anyClass: boolean
  /** name of the block's view, '' without */
  readonly view: string
  /** undefined in a block without plugins */
  readonly chain: Next | undefined
  /** the plugins of the chain, in order */
  readonly plugins: readonly Plugin[]
  /** false when the block's `view` does not want the query */
  readonly accepts?: ((query: Query) => boolean) | undefined
}

/** Called once per query that no block took, or that failed inside. */
export interface DispatchEvents {
  refused(query: Query, reply: Reply, home: QueryHome): void
  panic(query: Query, error: unknown): void
}

const out = Buffer.allocUnsafeSlow(65535)

/** The blocks behind one address and port: finds the block of a query, runs its chain, writes the answer. */
export class Dispatcher implements QueryHome {
  readonly label: string
  readonly #zones = new Map<string, Route[]>()
  /** lengths that zones have: a suffix of another length need not be looked up */
  readonly #lengths = new Set<number>()
  /** the one route there is, if it takes everything */
  readonly #only: Route | undefined
  readonly #anyClass: boolean
  /** some block looks at more of a query than its name */
  readonly #views: boolean
  /** made when the first answer may be given again */
  #repeats: RepeatTable | undefined
  readonly #events: DispatchEvents

  constructor(label: string, routes: readonly Route[], events: DispatchEvents) {
    this.label = label
    this.#events = events
    for (const route of routes) this.#zones.set(route.zone, [...(this.#zones.get(route.zone) ?? []), route])
    for (const { zone } of routes) this.#lengths.add(zone.length)
    const [first] = routes
    this.#only = routes.length === 1 && first?.zone === '.' && first.accepts === undefined ? first : undefined
    this.#anyClass = routes.some((route) => route.anyClass)
    this.#views = routes.some((route) => route.accepts !== undefined)
  }

  /** For UDP listeners: what was answered before is answered without a turn of the chain. */
  readonly quick: QuickAnswer = (octets, offset, length, family, now, to, at) =>
    this.#repeats === undefined ? 0 : this.#repeats.answer(octets, offset, length, family, now, to, at)

  /** For listeners. */
  readonly receiver: Receiver = (wire, peer, respond) => {
    const received = receive(wire, peer, this)
    if (!(received instanceof Query)) {
      respond(received)
      return
    }
    const query = received
    let outcome: Outcome
    try {
      outcome = this.#take(query)
    } catch (error) {
      outcome = this.#panic(query, error)
    }
    if (outcome instanceof Promise) {
      outcome.then(
        (reply) => this.#send(query, reply, respond),
        (error: unknown) => this.#send(query, this.#panic(query, error), respond),
      )
    } else this.#send(query, outcome, respond)
  }

  resolve(query: Query): Outcome {
    try {
      const outcome = this.#take(query)
      return outcome instanceof Promise
        ? outcome.catch((error: unknown) => this.#panic(query, error))
        : outcome
    } catch (error) {
      return this.#panic(query, error)
    }
  }

  #panic(query: Query, error: unknown): Reply {
    this.#events.panic(query, error)
    return failure(Rcode.SERVFAIL, '')
  }

  #take(query: Query): Outcome {
    if (query.class !== Class.IN && !this.#anyClass) return this.#refuse(query)
    const route = this.#route(query)
    if (route?.chain === undefined) return this.#refuse(query)
    query.zone = route.zone
    query.view = route.view
    return route.chain(query)
  }

  #refuse(query: Query): Reply {
    const reply = failure(Rcode.REFUSED, '')
    this.#events.refused(query, reply, this)
    return reply
  }

  /** Longest zone first. A DS record lives in the parent zone (RFC 4035 §3.1.4.1). */
  #route(query: Query): Route | undefined {
    if (this.#only !== undefined) return this.#only
    const { name } = query
    let fallback: Route | undefined
    for (let at = 0; ; ) {
      const root = at >= name.length || name === '.'
      const zone = root ? '.' : this.#lengths.has(name.length - at) ? name.slice(at) : ''
      const routes = zone === '' ? undefined : this.#zones.get(zone)
      if (routes !== undefined) {
        for (const route of routes) {
          if (route.accepts !== undefined && !route.accepts(query)) continue
          if (query.type !== Type.DS || at > 0 || root) return route
          fallback = route
          break
        }
      }
      if (root) return fallback
      at = nextLabel(name, at)
    }
  }

  /** Keeps an answer to give it again, if every plugin of the chain up to the one that made it agrees. */
  #remember(query: Query, reply: Reply, answer: Uint8Array, freshness: Freshness): void {
    const { peer } = query
    const asMeant = ((answer[2] as number) & 2) === 0 && ((answer[3] as number) & 15) === (reply.rcode & 15)
    if (peer.transport !== 'udp' || this.#views || freshness.stale || !asMeant) return
    if (reply.shuffle && reply.prepared === undefined) return
    const effects: Repeat[] = []
    for (const plugin of this.#route(query)?.plugins ?? []) {
      const effect = plugin.repeat?.(query, reply, answer.length)
      const made = plugin.name === reply.plugin
      if (effect === undefined && !(made && plugin.repeat === undefined)) return
      if (effect !== undefined && effect !== nothingToRepeat) effects.push(effect)
      if (made) {
        this.#repeats ??= new RepeatTable()
        const addresses = reply.shuffle ? reply.prepared?.addresses : undefined
        const family = peer.clientFamily
        this.#repeats.put({ query: query.wire, family, answer, freshness, addresses, effects })
        return
      }
    }
  }

  #send(query: Query, reply: Reply, respond: Respond): void {
    if (reply.silent) {
      query.onSent?.(0, out.subarray(0, 0))
      respond(undefined)
      return
    }
    const { following } = reply
    const first = this.#write(query, reply)
    query.responseSize?.observe(first.length)
    query.onSent?.(first.length, first)
    if (reply.freshness !== undefined) this.#remember(query, reply, first, reply.freshness)
    if (following.length === 0) {
      respond(first)
      return
    }
    respond(first, { more: true })
    following.forEach((next, i) => {
      respond(this.#write(query, next), { more: i < following.length - 1 })
    })
  }

  /** The octets of an answer, good until the next one is written. */
  #write(query: Query, reply: Reply): Buffer {
    let length: number
    try {
      length = render(query, reply, out)
    } catch (error) {
      const failed = this.#panic(query, error)
      try {
        length = render(query, failed, out)
      } catch {
        return headerOnly(query.wire, Rcode.SERVFAIL)
      }
    }
    return out.subarray(0, query.seal?.(out, length) ?? length)
  }
}

function nextLabel(name: string, from: number): number {
  let at = from
  for (;;) {
    const dot = name.indexOf('.', at)
    if (dot < 0) return name.length
    if (dot === 0 || name.charCodeAt(dot - 1) !== 92) return dot + 1
    at = dot + 1
  }
}

/** The end of every chain: nobody had an answer. Transfers and NOTIFY are refused, the rest is a server failure. */
export function endOfChain(query: Query): Reply {
  if (isTransfer(query.type) || query.opcode === Opcode.NOTIFY) return failure(Rcode.REFUSED, '')
  return failure(Rcode.SERVFAIL, '', new Error('no next plugin found'))
}

/** The end of a chain whose last plugin answers for zones of its own: the others are not ours to answer. */
export function refusal(): Reply {
  return failure(Rcode.REFUSED, '')
}
