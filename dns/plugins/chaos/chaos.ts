import { hostname } from 'node:os'
import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { Reply } from '../../core/reply.ts'
import { Class, Type } from '../../wire/index.ts'

/** Answers the traditional CH TXT questions about the server itself (RFC 4892). */
export class ChaosPlugin implements Plugin {
  readonly name = 'chaos'
  readonly #texts: ReadonlyMap<string, readonly string[]>

  constructor(options: { version: string; authors: readonly string[] }) {
    const version = [options.version]
    const host = [hostname()]
    this.#texts = new Map<string, readonly string[]>([
      ['version.bind.', version],
      ['version.server.', version],
      ['hostname.bind.', host],
      ['id.server.', host],
      ['authors.bind.', options.authors],
    ])
  }

  handle(query: Query, next: Next): Outcome {
    const texts =
      query.class === Class.CH && query.type === Type.TXT ? this.#texts.get(query.name) : undefined
    if (texts === undefined) return next(query)
    const fixed = { name: query.originalName, type: Type.TXT, class: Class.CH, ttl: 0 }
    const answer = texts.map((text) => ({ kind: 'text' as const, ...fixed, texts: [text.slice(0, 255)] }))
    return new Reply({ answer, plugin: this.name })
  }
}
