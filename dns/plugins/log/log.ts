import type { Logger } from 'pino'
import { type Next, type Outcome, onReply, type Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'
import { isSubdomain, Rcode } from '../../wire/index.ts'
import type { Finished } from './format.ts'

export type AnswerClass = 'all' | 'success' | 'denial' | 'error'

export interface LogRule {
  readonly zones: readonly string[]
  readonly classes: ReadonlySet<AnswerClass>
  readonly format: (done: Finished) => string
}

/** Writes one line per query. */
export class LogPlugin implements Plugin {
  readonly name = 'log'
  readonly #log: Logger
  readonly #rules: readonly LogRule[]

  constructor(log: Logger, rules: readonly LogRule[]) {
    this.#log = log
    this.#rules = rules
  }

  handle(query: Query, next: Next): Outcome {
    const rule = this.#rules.find(({ zones }) => zones.some((zone) => isSubdomain(query.name, zone)))
    if (rule === undefined) return next(query)
    const begin = performance.now()
    return onReply(next(query), (reply) => {
      if (rule.classes.has('all') || rule.classes.has(classOf(reply))) {
        query.whenSent((size) => {
          this.#log.info(rule.format({ query, reply, size, seconds: (performance.now() - begin) / 1000 }))
        })
      }
      return reply
    })
  }
}

/** denial: NXDOMAIN and NODATA; error: SERVFAIL, REFUSED and the like. */
export function classOf(reply: Reply): AnswerClass {
  if (reply.rcode === Rcode.NXDOMAIN) return 'denial'
  if (reply.rcode !== Rcode.NOERROR) return 'error'
  return reply.answered ? 'success' : 'denial'
}
