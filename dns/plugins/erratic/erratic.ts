import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { failure, Reply, silence } from '../../core/reply.ts'
import { Class, Rcode, type ResourceRecord, Type } from '../../wire/index.ts'

export interface ErraticOptions {
  /** one of so many queries is dropped, truncated, delayed, in this order; 0: none */
  readonly drop: number
  readonly truncate: number
  readonly delay: number
  readonly delayMs: number
  /** answer with many addresses */
  readonly large: boolean
}

/** Answers with fixed addresses, unreliably: for testing clients. */
export class ErraticPlugin implements Plugin {
  readonly name = 'erratic'
  readonly #options: ErraticOptions
  #count = 0

  constructor(options: ErraticOptions) {
    this.#options = options
  }

  handle(query: Query, _next: Next): Outcome {
    // The first query counts as number 0, as in CoreDNS: it is everybody's turn.
    const number = this.#count
    this.#count += 1
    const turn = (every: number): boolean => every > 0 && number % every === 0
    const { drop, truncate, delay, delayMs } = this.#options
    if (turn(drop)) return silence
    const reply = this.#reply(query)
    const cut = turn(truncate) ? reply.with({ truncated: true }) : reply
    if (!turn(delay)) return cut
    return new Promise((resolve) => {
      setTimeout(() => resolve(cut), delayMs)
    })
  }

  #reply(query: Query): Reply {
    if (query.type !== Type.A && query.type !== Type.AAAA)
      return failure(Rcode.SERVFAIL, this.name, new Error('erratic has A and AAAA records only'))
    const { type } = query
    const address = type === Type.A ? '192.0.2.53' : '2001:db8::53'
    const record: ResourceRecord = {
      kind: 'address',
      name: query.originalName,
      type,
      class: Class.IN,
      ttl: 0,
      address,
    }
    const more = Array.from({ length: this.#options.large ? 29 : 0 }, (_, i) => ({
      ...record,
      address: type === Type.A ? `192.0.2.${i + 54}` : `2001:db8::${(i + 84).toString(16)}`,
    }))
    return new Reply({ authoritative: true, answer: [record, ...more], plugin: this.name })
  }
}
