import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { failure, type Reply } from '../../core/reply.ts'
import { Rcode } from '../../wire/index.ts'

/** Ends queries that take too long. */
export class CancelPlugin implements Plugin {
  readonly name = 'cancel'
  readonly #timeoutMs: number

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  handle(query: Query, next: Next): Outcome {
    const outcome = next(query)
    if (!(outcome instanceof Promise)) return outcome
    return new Promise<Reply>((resolve, reject) => {
      const timer = setTimeout(() => {
        const error = new Error(`no answer within ${this.#timeoutMs} ms`)
        resolve(failure(Rcode.SERVFAIL, this.name, error))
      }, this.#timeoutMs)
      timer.unref()
      outcome.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }
}
