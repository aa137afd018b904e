import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { Reply } from '../../core/reply.ts'
import type { Counter } from '../../metrics/metrics.ts'
import { Class, longestZone, Rcode, type ResourceRecord, Type } from '../../wire/index.ts'

/** The search path of a client; undefined where it is not known for certain. */
export type SearchPath = (query: Query) => readonly string[] | undefined

/**
 * Follows the search path of a client on the server's side: the first query of a look-up is answered with what the
 * resolver would find after several more.
 */
export class AutopathPlugin implements Plugin {
  readonly name = 'autopath'
  readonly #zones: readonly string[]
  readonly #search: SearchPath
  readonly #success: Counter

  constructor(parts: { zones: readonly string[]; search: SearchPath; success: Counter }) {
    this.#zones = parts.zones
    this.#search = parts.search
    this.#success = parts.success
  }

  handle(query: Query, next: Next): Outcome {
    if (query.class !== Class.IN || longestZone(query.name, this.#zones) === undefined) return next(query)
    const path = this.#search(query)
    const [first] = path ?? []
    // Only the first try of a look-up: the later ones mean that the client goes its own way.
    if (path === undefined || first === undefined || !query.name.endsWith(`.${first}`)) return next(query)
    const base = query.name.slice(0, -first.length)
    const tries = [...path.map((suffix) => `${base}${suffix}`), base].map((name) =>
      name.endsWith('.') ? name : `${name}.`,
    )
    return this.#try(query, next, { tries, at: 0, last: undefined })
  }

  #try(
    query: Query,
    next: Next,
    state: { tries: readonly string[]; at: number; last: Reply | undefined },
  ): Outcome {
    const name = state.tries[state.at]
    if (name === undefined) return state.last ?? next(query)
    const asked = name === query.name ? query : query.derive({ name })
    const judge = (reply: Reply): Outcome => {
      // What failed may succeed for the client later: it must hear of it, not of the next suffix.
      if (reply.rcode !== Rcode.NXDOMAIN && reply.rcode !== Rcode.NOERROR)
        return state.at === 0 ? reply : next(query)
      // There is such a name, but not with this type: NXDOMAIN for it would deny the types it has, in caches.
      if (reply.rcode === Rcode.NOERROR) return this.#found(query, name, reply)
      const last = state.last ?? reply
      return this.#try(query, next, { ...state, at: state.at + 1, last })
    }
    const outcome = next(asked)
    return outcome instanceof Promise ? outcome.then(judge) : judge(outcome)
  }

  #found(query: Query, name: string, reply: Reply): Reply {
    if (name === query.name) return reply
    this.#success.cell(query.home.label).value += 1
    // Per client: what one pod is told must not be kept for others.
    const { rcode, authoritative, recursionAvailable, answer, authority, additional } = reply
    const parts = {
      rcode,
      authoritative,
      recursionAvailable,
      authority,
      additional,
      live: true,
      plugin: this.name,
    }
    if (answer.length === 0) return new Reply(parts)
    const alias: ResourceRecord = {
      kind: 'target',
      name: query.originalName,
      type: Type.CNAME,
      class: Class.IN,
      ttl: Math.min(...answer.map((record) => record.ttl)),
      target: name,
    }
    return new Reply({ ...parts, answer: [alias, ...answer] })
  }
}
