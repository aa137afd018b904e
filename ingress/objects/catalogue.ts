import { KINDS, type Kind, type ObjectChange, type ObjectOf } from './types.ts'
import type { JsonObject } from './validator.ts'

export type Origin = 'admin' | 'kubernetes' | 'file' | 'configs'

export interface Entry<K extends Kind> {
  readonly id: string
  readonly value: ObjectOf[K]
  readonly createdIndex: number
  readonly modifiedIndex: number
  readonly origin: Origin
}

type Tables = { [K in Kind]: Map<string, Entry<K>> }

/**
 * Every gateway object by kind and id, whoever made it. One revision counter orders all changes, as etcd's does for
 * APISIX; listeners (the data plane) get each batch of changes as it is applied.
 */
export class Catalogue {
  revision: number
  readonly #tables: Tables
  readonly #listeners: ((changes: readonly ObjectChange[]) => void)[] = []

  constructor(revision = 0) {
    this.revision = revision
    this.#tables = Object.fromEntries(KINDS.map((kind) => [kind, new Map()])) as unknown as Tables
  }

  get<K extends Kind>(kind: K, id: string): Entry<K> | undefined {
    return this.#tables[kind].get(id)
  }

  /** Entries in order of creation. */
  list<K extends Kind>(kind: K): Entry<K>[] {
    return [...this.#tables[kind].values()].sort((a, b) => a.createdIndex - b.createdIndex)
  }

  entries<K extends Kind>(kind: K): Iterable<Entry<K>> {
    return this.#tables[kind].values()
  }

  /** Puts back an entry read from storage, without notifying. */
  restore<K extends Kind>(kind: K, entry: Entry<K>): void {
    this.#tables[kind].set(entry.id, entry)
    this.revision = Math.max(this.revision, entry.modifiedIndex)
  }

  apply(changes: readonly ObjectChange[], origin: Origin): void {
    for (const change of changes) this.#put(change, origin)
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes)
  }

  #put<K extends Kind>(
    change: { kind: K; id: string; value: ObjectOf[K] | undefined },
    origin: Origin,
  ): void {
    const table = this.#tables[change.kind]
    this.revision++
    if (change.value === undefined) {
      table.delete(change.id)
      return
    }
    const createdIndex = table.get(change.id)?.createdIndex ?? this.revision
    table.set(change.id, {
      id: change.id,
      value: change.value,
      createdIndex,
      modifiedIndex: this.revision,
      origin,
    })
  }

  /** Takes over entries of a store that counts revisions itself (etcd); `entry` undefined for a deletion. */
  adopt(
    changes: readonly {
      readonly kind: Kind
      readonly id: string
      readonly revision: number
      readonly entry: { readonly value: JsonObject; readonly created: number } | undefined
    }[],
  ): void {
    const told: ObjectChange[] = []
    for (const { kind, id, revision, entry } of changes) {
      const table = this.#tables[kind] as Map<string, Entry<Kind>>
      this.revision = Math.max(this.revision, revision)
      // An object made from Kubernetes wins over one of the same id that somebody put into the store.
      if ((table.get(id)?.origin ?? 'admin') !== 'admin') continue
      if (entry === undefined) table.delete(id)
      else {
        const { value, created } = entry
        const stored = { id, value, createdIndex: created, modifiedIndex: revision, origin: 'admin' }
        table.set(id, stored as unknown as Entry<Kind>)
      }
      told.push({ kind, id, value: entry?.value } as unknown as ObjectChange)
    }
    if (told.length > 0) for (const listener of this.#listeners) listener(told)
  }

  /** Everything there is, as changes. */
  all(): ObjectChange[] {
    return KINDS.flatMap((kind) =>
      this.list(kind).map((entry) => ({ kind, id: entry.id, value: entry.value }) as ObjectChange),
    )
  }

  /** Calls the listener with each batch of changes from now on. */
  subscribe(listener: (changes: readonly ObjectChange[]) => void): void {
    this.#listeners.push(listener)
  }
}
