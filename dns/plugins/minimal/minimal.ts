import { type Next, type Outcome, onReply, type Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { Rcode } from '../../wire/index.ts'

/** Leaves authority and additional sections out of positive answers; delegations and negative answers need theirs. */
export class MinimalPlugin implements Plugin {
  readonly name = 'minimal'

  handle(query: Query, next: Next): Outcome {
    return onReply(next(query), (reply) => {
      if (reply.rcode !== Rcode.NOERROR || !reply.answered) return reply
      if (reply.authority.length === 0 && reply.additional.length === 0) return reply
      return reply.with({ answer: reply.answer, authority: [], additional: [] })
    })
  }
}
