import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { Reply } from '../../core/reply.ts'
import { Class, Type } from '../../wire/index.ts'

const ttl = 8482

/** Answers ANY with a small HINFO (RFC 8482 §4.2). */
export class AnyPlugin implements Plugin {
  readonly name = 'any'

  handle(query: Query, next: Next): Outcome {
    if (query.type !== Type.ANY) return next(query)
    const texts = ['ANY obsoleted', 'See RFC 8482']
    const name = query.originalName
    return new Reply({
      answer: [{ kind: 'text', name, type: Type.HINFO, class: Class.IN, ttl, texts }],
      plugin: this.name,
    })
  }
}
