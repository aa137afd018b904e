import type { Kind, KindMap } from '../objects/kinds.ts'
import { type Key, keyOf } from '../objects/meta.ts'
import { IndexMap } from './index-map.ts'
import { type IndexName, indexersOf } from './indexes.ts'

/** The objects of one kind with its indexes. Every index entry is added and removed under the same key. */
export class Table<K extends Kind> {
  readonly kind: K
  readonly objects = new Map<Key, KindMap[K]>()
  readonly #indexers: ReadonlyMap<IndexName<K>, (object: KindMap[K]) => readonly string[]>
  readonly #indexes = new Map<IndexName<K>, IndexMap>()

  constructor(kind: K) {
    this.kind = kind
    this.#indexers = indexersOf(kind)
    for (const name of this.#indexers.keys()) this.#indexes.set(name, new IndexMap())
  }

  put(object: KindMap[K]): void {
    const key = keyOf(object)
    const before = this.objects.get(key)
    if (before !== undefined) this.#unindex(key, before)
    this.objects.set(key, object)
    for (const [name, valuesOf] of this.#indexers) {
      const index = this.#indexes.get(name)
      for (const value of valuesOf(object)) index?.add(value, key)
    }
  }

  remove(key: Key): void {
    const before = this.objects.get(key)
    if (before === undefined) return
    this.#unindex(key, before)
    this.objects.delete(key)
  }

  *lookup(name: IndexName<K>, value: string): Generator<KindMap[K]> {
    for (const key of this.#indexes.get(name)?.get(value) ?? []) {
      const object = this.objects.get(key)
      if (object !== undefined) yield object
    }
  }

  #unindex(key: Key, object: KindMap[K]): void {
    for (const [name, valuesOf] of this.#indexers) {
      const index = this.#indexes.get(name)
      for (const value of valuesOf(object)) index?.remove(value, key)
    }
  }
}
