import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'

/** Keeps UDP answers below a size, those of upstreams too, against fragmentation; who asks for less gets less. */
export class BufsizePlugin implements Plugin {
  readonly name = 'bufsize'
  readonly #size: number

  constructor(size: number) {
    this.#size = size
  }

  handle(query: Query, next: Next): Outcome {
    query.lowerSize(this.#size)
    return next(query)
  }
}
