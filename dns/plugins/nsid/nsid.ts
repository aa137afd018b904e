import { type Next, type Outcome, onReply, type Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { EdnsOption } from '../../wire/index.ts'

/** Tells who answered, to clients that ask (RFC 5001). */
export class NsidPlugin implements Plugin {
  readonly name = 'nsid'
  readonly #data: Uint8Array

  constructor(data: string) {
    this.#data = Buffer.from(data)
  }

  handle(query: Query, next: Next): Outcome {
    if (query.edns?.options.some(({ code }) => code === EdnsOption.NSID) !== true) return next(query)
    const own = { code: EdnsOption.NSID, data: this.#data }
    return onReply(next(query), (reply) => reply.with({ options: [...reply.options, own] }))
  }
}
