import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'
import type { AnswerChange, Rule } from './rule.ts'

/** Changes queries before the plugins that answer see them, and their answers before the client does. */
export class RewritePlugin implements Plugin {
  readonly name = 'rewrite'
  readonly #rules: readonly Rule[]

  constructor(rules: readonly Rule[]) {
    this.#rules = rules
  }

  handle(query: Query, next: Next): Outcome {
    let current = query
    const changes: AnswerChange[] = []
    for (const rule of this.#rules) {
      const done = rule.apply(current)
      if (done === undefined) continue
      current = done.query ?? current
      if (done.answer !== undefined) changes.push(done.answer)
      if (!rule.goesOn) break
    }
    if (current === query && changes.length === 0) return next(query)
    // Octets that were prepared for another question must not be sent as an answer to this one.
    const first: AnswerChange = (reply) =>
      current === query ? reply : reply.with({ answer: reply.answer, authority: reply.authority })
    return inTurn(next(current), [first, ...changes.reverse()], query)
  }
}

/** The last rule's change comes first. */
function inTurn(outcome: Outcome, changes: readonly AnswerChange[], query: Query): Outcome {
  return changes.reduce<Outcome>(
    (soFar, change) =>
      soFar instanceof Promise ? soFar.then((reply: Reply) => change(reply, query)) : change(soFar, query),
    outcome,
  )
}
