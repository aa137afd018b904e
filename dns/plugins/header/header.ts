import { type Next, type Outcome, onReply, type Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'

export type HeaderFlag = 'aa' | 'ra' | 'rd'

/** What to do with one flag, in queries or in answers. */
export interface HeaderRule {
  readonly of: 'query' | 'response'
  readonly flag: HeaderFlag
  readonly value: boolean
}

/** Sets and clears flags of queries on their way in and of answers on their way out. */
export class HeaderPlugin implements Plugin {
  readonly name = 'header'
  readonly #recursionDesired: boolean | undefined
  readonly #answers: readonly HeaderRule[]

  constructor(rules: readonly HeaderRule[]) {
    this.#recursionDesired = rules.findLast((rule) => rule.of === 'query' && rule.flag === 'rd')?.value
    this.#answers = rules.filter((rule) => rule.of === 'response')
  }

  handle(query: Query, next: Next): Outcome {
    const wanted = this.#recursionDesired
    const asked =
      wanted === undefined || wanted === query.recursionDesired
        ? query
        : query.derive({ recursionDesired: wanted })
    return onReply(next(asked), (reply) => this.#change(reply))
  }

  #change(reply: Reply): Reply {
    let changed = reply
    for (const { flag, value } of this.#answers) {
      if (flag === 'aa') changed = changed.with({ authoritative: value })
      else if (flag === 'ra') changed = changed.with({ recursionAvailable: value })
      else changed = changed.with({ recursionDesired: value })
    }
    return changed
  }
}
