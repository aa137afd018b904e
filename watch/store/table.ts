import type { Kind, KindMap } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'
import { equalValues } from './equal.ts'
import { IndexMap } from './index-map.ts'
import { type Indexer, type IndexName, indexersOf } from './indexes.ts'

/**
 * The objects of one kind with its indexes. An index is made when it is first asked for, and kept from then on;
 * every entry is added and removed under the same key.
 */
export class Table<K extends Kind> {
  readonly kind: K
  readonly objects = new Map<Key, KindMap[K]>()
  readonly #indexers: ReadonlyMap<IndexName<K>, Indexer<KindMap[K]>>
  readonly #indexes = new Map<IndexName<K>, IndexMap>()

  constructor(kind: K) {
    this.kind = kind
    this.#indexers = indexersOf(kind)
  }

  put(key: Key, object: KindMap[K]): void {
    const before = this.objects.get(key)
    this.objects.set(key, object)
    this.#reindex(key, before, object)
  }

  remove(key: Key): void {
    const before = this.objects.get(key)
    if (before === undefined) return
    this.objects.delete(key)
    this.#reindex(key, before, undefined)
  }

  *lookup(name: IndexName<K>, value: string): Generator<KindMap[K]> {
    for (const key of this.#index(name).get(value)) {
      const object = this.objects.get(key)
      if (object !== undefined) yield object
    }
  }

  #index(name: IndexName<K>): IndexMap {
    const known = this.#indexes.get(name)
    if (known !== undefined) return known
    const index = new IndexMap()
    const valuesOf = this.#indexers.get(name) ?? (() => [])
    for (const [key, object] of this.objects) for (const value of valuesOf(object)) index.add(value, key)
    this.#indexes.set(name, index)
    return index
  }

  #reindex(key: Key, before: KindMap[K] | undefined, after: KindMap[K] | undefined): void {
    for (const [name, index] of this.#indexes) {
      const valuesOf = this.#indexers.get(name) ?? (() => [])
      const [gone, come] = [
        before === undefined ? [] : valuesOf(before),
        after === undefined ? [] : valuesOf(after),
      ]
      if (equalValues(gone, come)) continue
      for (const value of gone) index.remove(value, key)
      for (const value of come) index.add(value, key)
    }
  }
}
