import type { AnyObject, Kind, KindMap } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'
import type { ObjectChange } from './change-set.ts'
import { sameObject } from './equal.ts'

/** Changes collected per kind and key: the first `before` and the last `after` of each. */
export class Changes {
  readonly #kinds = new Map<Kind, Map<Key, ObjectChange<AnyObject>>>()
  /** what was changed more than once, and so may have ended as it began */
  readonly #repeated = new Map<Kind, Set<Key>>()

  add(kind: Kind, key: Key, change: ObjectChange<AnyObject>): void {
    const changed = this.#kinds.get(kind)
    const earlier = changed?.get(key)
    if (changed === undefined) this.#kinds.set(kind, new Map([[key, change]]))
    else if (earlier === undefined) changed.set(key, change)
    else {
      changed.set(key, { before: earlier.before, after: change.after })
      const repeated = this.#repeated.get(kind)
      if (repeated === undefined) this.#repeated.set(kind, new Set([key]))
      else repeated.add(key)
    }
  }

  /** Drops keys which ended as they began (added and deleted again, changed and changed back). */
  collapse(): this {
    for (const [kind, keys] of this.#repeated) {
      const changed = this.#kinds.get(kind)
      for (const key of keys) {
        const change = changed?.get(key)
        if (sameObject(change?.before, change?.after)) changed?.delete(key)
      }
      if (changed?.size === 0) this.#kinds.delete(kind)
    }
    this.#repeated.clear()
    return this
  }

  get empty(): boolean {
    return this.#kinds.size === 0
  }

  of<K extends Kind>(kind: K): ReadonlyMap<Key, ObjectChange<KindMap[K]>> {
    const changed: ReadonlyMap<Key, ObjectChange<AnyObject>> = this.#kinds.get(kind) ?? new Map()
    return changed as ReadonlyMap<Key, ObjectChange<KindMap[K]>>
  }

  *[Symbol.iterator](): Generator<readonly [Kind, ReadonlyMap<Key, ObjectChange<AnyObject>>]> {
    yield* this.#kinds
  }
}
