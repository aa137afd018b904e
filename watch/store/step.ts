import type { AnyObject, Kind, KindMap } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'
import type { ObjectChange } from './change-set.ts'
import { sameObject } from './equal.ts'

/** Changes collected per kind and key: the first `before` and the last `after` of each. */
export class Changes {
  readonly #kinds = new Map<Kind, Map<Key, ObjectChange<AnyObject>>>()

  add(kind: Kind, key: Key, change: ObjectChange<AnyObject>): void {
    let changed = this.#kinds.get(kind)
    if (changed === undefined) this.#kinds.set(kind, (changed = new Map()))
    const earlier = changed.get(key)
    changed.set(key, earlier === undefined ? change : { before: earlier.before, after: change.after })
  }

  /** Drops keys which ended as they began (added and deleted again, changed and changed back). */
  collapse(): this {
    for (const [kind, changed] of this.#kinds) {
      for (const [key, { before, after }] of changed) {
        if (sameObject(before, after)) changed.delete(key)
      }
      if (changed.size === 0) this.#kinds.delete(kind)
    }
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
