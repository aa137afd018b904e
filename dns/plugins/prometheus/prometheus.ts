import type { Next, Outcome, Plugin, Repeat } from '../../core/plugin.ts'
import type { Query, QueryHome } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'
import { QueryMetrics, type ServerMetrics } from './metrics.ts'

/** Counts every query of the block and its answer. */
export class PrometheusPlugin implements Plugin {
  readonly name = 'prometheus'
  readonly #metrics: ServerMetrics
  readonly #scopes = new Map<string, QueryMetrics>()
  #home: QueryHome | undefined
  #zone = ''
  #view = ''
  #last: QueryMetrics | undefined

  constructor(metrics: ServerMetrics) {
    this.#metrics = metrics
  }

  handle(query: Query, next: Next): Outcome {
    const begin = performance.now()
    const outcome = next(query)
    return outcome instanceof Promise
      ? outcome.then((reply) => this.#count(query, reply, begin))
      : this.#count(query, outcome, begin)
  }

  #count(query: Query, reply: Reply, begin: number): Reply {
    this.#scope(query).count(query, reply, (performance.now() - begin) / 1000)
    return reply
  }

  repeat(query: Query, reply: Reply, size: number): Repeat {
    return this.#scope(query).repeat(query, reply, size)
  }

  /** The cells of the server and zone the query came to: mostly those of the query before. */
  #scope(query: Query): QueryMetrics {
    const { home, zone, view } = query
    if (this.#home === home && this.#zone === zone && this.#view === view && this.#last !== undefined)
      return this.#last
    this.#home = home
    this.#zone = zone
    this.#view = view
    this.#last = this.#find(query)
    return this.#last
  }

  #find({ home, zone, view }: Query): QueryMetrics {
    const key = `${home.label} ${zone} ${view}`
    let found = this.#scopes.get(key)
    if (found === undefined) {
      found = new QueryMetrics(this.#metrics, { server: home.label, zone, view })
      this.#scopes.set(key, found)
    }
    return found
  }
}
