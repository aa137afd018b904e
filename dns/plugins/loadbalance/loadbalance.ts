import { type Next, type Outcome, onReply, type Plugin } from '../../core/plugin.ts'
import { isTransfer, type Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'

/** Asks for the addresses of every answer in random order; they are moved when the answer is written. */
export class LoadBalancePlugin implements Plugin {
  readonly name = 'loadbalance'

  handle(query: Query, next: Next): Outcome {
    if (isTransfer(query.type)) return next(query)
    return onReply(next(query), shuffled)
  }
}

function shuffled(reply: Reply): Reply {
  const { prepared } = reply
  // Prepared octets without a run of addresses have nothing to shuffle: no copy needed.
  if (reply.shuffle || (prepared !== undefined ? prepared.counts[0] < 2 : reply.answer.length < 2))
    return reply
  return reply.with({ shuffle: true })
}
