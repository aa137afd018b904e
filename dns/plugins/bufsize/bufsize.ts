import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'

/** Keeps UDP answers below a size, against fragmentation; clients that ask for less get less. */
export class BufsizePlugin implements Plugin {
  readonly name = 'bufsize'
  readonly #size: number

  constructor(size: number) {
    this.#size = size
  }

  handle(query: Query, next: Next): Outcome {
    if (query.peer.transport === 'udp' && query.maxSize > this.#size) query.maxSize = this.#size
    return next(query)
  }
}
