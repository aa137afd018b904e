import type { Kind, KindMap } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'

/** What became of one key since the consumer was last told; one of both may be missing, never both. */
export interface ObjectChange<T> {
  readonly before?: T | undefined
  readonly after?: T | undefined
}

/** Everything a subscription has to hear about at once. */
export interface ChangeSet {
  /** true: this is the whole state (after the first sync, or after the consumer threw); forget what you had */
  readonly initial: boolean
  /** performance.now() of the oldest event in it */
  readonly at: number
  /** changes per key of one subscribed kind */
  objects<K extends Kind>(kind: K): ReadonlyMap<Key, ObjectChange<KindMap[K]>>
  /** Services whose object or merged endpoints changed; empty unless subscribed with `services: true` */
  readonly services: ReadonlySet<Key>
}

export interface SubscribeOptions {
  /** for logs and metrics */
  readonly name: string
  readonly kinds: readonly Kind[]
  /** also follow `ChangeSet.services` */
  readonly services?: boolean | undefined
  /** at most one notification per this many milliseconds (10 by default); the first after a pause comes at once */
  readonly coalesceMs?: number | undefined
}

/** A promise returned is awaited before the next notification; meanwhile changes collect. */
export type Notify = (changes: ChangeSet) => void | Promise<void>

export interface Subscription {
  /** Delivers what is pending now, without waiting for coalescing. */
  flush(): void
  /** Ends it; what is pending is not delivered. */
  close(): void
}
