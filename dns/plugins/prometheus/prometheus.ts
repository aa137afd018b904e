import { type Next, type Outcome, onReply, type Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { QueryMetrics, type ServerMetrics } from './metrics.ts'

/** Counts every query of the block and its answer. */
export class PrometheusPlugin implements Plugin {
  readonly name = 'prometheus'
  readonly #metrics: ServerMetrics
  readonly #scopes = new Map<string, QueryMetrics>()

  constructor(metrics: ServerMetrics) {
    this.#metrics = metrics
  }

  handle(query: Query, next: Next): Outcome {
    const begin = performance.now()
    return onReply(next(query), (reply) => {
      this.#scope(query).count(query, reply, (performance.now() - begin) / 1000)
      return reply
    })
  }

  #scope(query: Query): QueryMetrics {
    const { home, zone, view } = query
    const key = `${home.label} ${zone} ${view}`
    let found = this.#scopes.get(key)
    if (found === undefined) {
      found = new QueryMetrics(this.#metrics, { server: home.label, zone, view })
      this.#scopes.set(key, found)
    }
    return found
  }
}
