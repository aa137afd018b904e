import type { Outcome } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'

/** Changes an answer on its way back; `query` is what the client asked. */
export type AnswerChange = (reply: Reply, query: Query) => Outcome

/** What a rule does with a query it fits. */
export interface Rewritten {
  /** undefined: the query stays as it is */
  readonly query?: Query | undefined
  readonly answer?: AnswerChange | undefined
}

/** One line of *rewrite*. */
export interface Rule {
  /** go on with the rules after it */
  readonly goesOn: boolean
  /** Undefined where the rule does not fit. */
  apply(query: Query): Rewritten | undefined
}

export type Apply = Rule['apply']
