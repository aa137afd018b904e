import type { Catalogue, JsonObject, Kind, ObjectChange, Origin } from '../objects/index.ts'

/** An item of a declarative document, as an object of the Admin API. */
export interface DeclaredItem {
  readonly kind: Kind
  readonly id: string
  readonly value: JsonObject
  /** Counted by whoever writes the document: the item has not changed while this has not. */
  readonly modifiedIndex?: number | undefined
}

/** The object an item of the list `kind` stands for. Its id is its own, its name, or its place (`arr_1`). */
export function declaredItem(kind: Kind, item: JsonObject, index: number): DeclaredItem {
  const { modifiedIndex: given, createdIndex: _created, ...own } = item
  const value = structuredClone(own)
  const modifiedIndex = typeof given === 'number' ? given : undefined
  const id = String(value.id ?? (kind === 'consumers' ? value.username : undefined) ?? `arr_${index + 1}`)
  if (kind === 'consumers' && /^[^/]+\/credentials\/[^/]+$/.test(id)) {
    value.id = id.split('/').at(-1)
    return { kind: 'credentials', id, value, modifiedIndex }
  }
  if (kind === 'consumers' || kind === 'plugin_metadata') delete value.id
  else value.id ??= id
  return { kind, id, value, modifiedIndex }
}

/** The objects of a catalogue that one declarative document gives. */
export class DeclaredObjects {
  readonly #catalogue: Catalogue
  readonly #origin: Origin
  readonly #current = new Map<string, { readonly text: string; readonly modifiedIndex: number | undefined }>()

  constructor(catalogue: Catalogue, origin: Origin) {
    this.#catalogue = catalogue
    this.#origin = origin
  }

  /**
   * From now on these items, checked before, are there and no others; what has not changed is left alone. Returns the
   * names of those that give way to an object made from Kubernetes.
   */
  replace(items: readonly DeclaredItem[]): string[] {
    const changes: ObjectChange[] = []
    const there = new Set<string>()
    const foreign: string[] = []
    for (const { kind, id, value, modifiedIndex } of items) {
      const key = `${kind}/${id}`
      if ((this.#catalogue.get(kind, id)?.origin ?? this.#origin) !== this.#origin) {
        foreign.push(key)
        continue
      }
      there.add(key)
      const text = JSON.stringify(value)
      const before = this.#current.get(key)
      if (before?.text === text) continue
      if (modifiedIndex !== undefined && before?.modifiedIndex === modifiedIndex) continue
      this.#current.set(key, { text, modifiedIndex })
      changes.push({ kind, id, value } as unknown as ObjectChange)
    }
    for (const key of this.#current.keys()) {
      if (there.has(key)) continue
      this.#current.delete(key)
      const slash = key.indexOf('/')
      changes.push({ kind: key.slice(0, slash), id: key.slice(slash + 1), value: undefined } as ObjectChange)
    }
    this.#catalogue.apply(changes, this.#origin)
    return foreign
  }
}
