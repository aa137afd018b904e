import {
  type Next,
  nothingToRepeat,
  type Outcome,
  onReply,
  type Plugin,
  type Repeat,
} from '../../core/plugin.ts'
import { isTransfer, type Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'
import { Type } from '../../wire/index.ts'
import type { Order } from './order.ts'
import type { WeightFile } from './weights.ts'

/** Asks for the addresses of every answer in random order; they are moved when the answer is written. */
export class LoadBalancePlugin implements Plugin {
  readonly name = 'loadbalance'

  handle(query: Query, next: Next): Outcome {
    if (isTransfer(query.type)) return next(query)
    return onReply(next(query), shuffled)
  }

  /** What is given again is shuffled again. */
  repeat(): Repeat {
    return nothingToRepeat
  }
}

function shuffled(reply: Reply): Reply {
  const { prepared } = reply
  // Prepared octets without a run of addresses have nothing to shuffle: no copy needed.
  if (reply.shuffle || (prepared !== undefined ? prepared.counts[0] < 2 : reply.answer.length < 2))
    return reply
  return reply.with({ shuffle: true })
}

/** Puts the addresses of every answer in an order of its own (weights, preferred networks). */
export class OrderPlugin implements Plugin {
  readonly name = 'loadbalance'
  readonly #order: Order
  readonly #weights: WeightFile | undefined

  constructor(order: Order, weights: WeightFile | undefined) {
    this.#order = order
    this.#weights = weights
  }

  start(): void {
    this.#weights?.start()
  }

  stop(): void {
    this.#weights?.stop()
  }

  handle(query: Query, next: Next): Outcome {
    const { type } = query
    if (type !== Type.A && type !== Type.AAAA && type !== Type.SRV && type !== Type.MX) return next(query)
    return onReply(next(query), (reply) => {
      const { answer, additional } = reply
      if (answer.length < 2 && additional.length < 2) return reply
      return reply.with({ answer: this.#order(answer), additional: this.#order(additional), shuffle: false })
    })
  }
}
