import type { Query } from './query.ts'
import type { Reply } from './reply.ts'

/** The answer, at once where it is known at once: no promise is made for it then. */
export type Outcome = Reply | Promise<Reply>

/** The rest of the chain. */
export type Next = (query: Query) => Outcome

/** How a plugin handles a query. */
export type Handle = (query: Query, next: Next) => Outcome

/** Done for each answer that is given again. */
export type Repeat = () => void

/** For plugins that do nothing but pass such queries on. */
export const nothingToRepeat: Repeat = () => undefined

/** A plugin of one server block. All but `name` and `handle` is optional. */
export interface Plugin {
  readonly name: string
  /** Answers, or asks `next` and may change what comes back. */
  handle(query: Query, next: Next): Outcome
  /**
   * What handling the same query with the same reply once more does besides (counting, as a rule), where the reply may be
   * given again without asking the chain. Undefined, or no such method: the chain has to be asked. `size` is that of
   * the answer in octets.
   */
  repeat?(query: Query, reply: Reply, size: number): Repeat | undefined
  /** Wraps how the plugins behind this one handle queries, when the chain is made; for *trace*. */
  around?(plugin: Plugin): Handle
  /** Runs before the block takes queries: connect, read, wait. What it throws stops the start (or the reload). */
  start?(): void | Promise<void>
  /** Runs after the block has stopped taking queries. */
  stop?(): void | Promise<void>
  /** False while queries would fail; shown by `ready`. */
  ready?(): boolean
  /** What is wrong though it still serves; shown by health and status. */
  trouble?(): string | undefined
  /** What the plugin knows about a query, for `metadata`: undefined for labels that are not its own. */
  label?(query: Query, name: string): string | undefined
  /** Forget what was kept for these names (lower case, qualified). */
  forget?(names: Iterable<string>): void
}

/** Applies `change` to the answer, whether it is there or still to come. */
export function onReply(outcome: Outcome, change: (reply: Reply) => Reply): Outcome {
  return outcome instanceof Promise ? outcome.then(change) : change(outcome)
}
