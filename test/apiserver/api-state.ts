import { randomUUID } from 'node:crypto'
import type { RawObject } from './selectors.ts'

/** A resource that is served. */
export interface ServedResource {
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
  readonly protobuf: boolean
}

/** One change as etcd would keep it. */
export interface StoredEvent {
  readonly version: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: RawObject
  readonly before: RawObject | undefined
}

type Input = { readonly metadata?: object; readonly [more: string]: unknown }

/** The objects of one resource with their recent history. */
export class Collection {
  readonly objects = new Map<string, RawObject>()
  readonly history: StoredEvent[] = []
  readonly listeners = new Set<(event: StoredEvent) => void>()
}

/** What is in the server: objects and their history, numbered by one counter as in etcd. */
export class ApiState {
  #version = 1000
  #compacted = 0
  readonly #collections = new Map<string, Collection>()

  get version(): number {
    return this.#version
  }

  /** versions at or below are gone from the history */
  get compacted(): number {
    return this.#compacted
  }

  collection(resource: Pick<ServedResource, 'plural'>): Collection {
    let known = this.#collections.get(resource.plural)
    if (known === undefined) this.#collections.set(resource.plural, (known = new Collection()))
    return known
  }

  /** Stores an object as a write would, with server metadata. */
  put(resource: ServedResource, input: Input): RawObject {
    const collection = this.collection(resource)
    const metadata = (input.metadata ?? {}) as RawObject['metadata']
    const namespace = resource.namespaced ? metadata.namespace || 'default' : undefined
    const key = keyOf(namespace, metadata.name)
    const before = collection.objects.get(key)
    const version = ++this.#version
    const object: RawObject = {
      ...input,
      apiVersion: resource.apiVersion,
      kind: resource.kind,
      metadata: {
        creationTimestamp: before?.metadata['creationTimestamp'] ?? '2026-01-01T00:00:00Z',
        ...metadata,
        ...(namespace === undefined ? {} : { namespace }),
        uid: before?.metadata.uid ?? randomUUID(),
        resourceVersion: String(version),
      },
    }
    collection.objects.set(key, object)
    this.#publish(collection, { version, type: before === undefined ? 'ADDED' : 'MODIFIED', object, before })
    return object
  }

  delete(resource: ServedResource, key: string): RawObject | undefined {
    const collection = this.collection(resource)
    const before = collection.objects.get(key)
    if (before === undefined) return undefined
    const version = ++this.#version
    collection.objects.delete(key)
    const object = { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } }
    this.#publish(collection, { version, type: 'DELETED', object, before })
    return object
  }

  /** Forgets the history: watches from older versions get 410. */
  compact(): void {
    this.#compacted = this.#version
    for (const { history } of this.#collections.values()) history.length = 0
  }

  #publish(collection: Collection, event: StoredEvent): void {
    collection.history.push(event)
    for (const listener of collection.listeners) listener(event)
  }
}

export function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`
}
