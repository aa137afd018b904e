import type { Logger } from 'pino'
import type { Version } from '../compact/compact-object.ts'
import type { AnyObject } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'
import type { Change, Problem, Sink } from '../source.ts'
import { apiErrorOf } from './errors.ts'
import { ObjectIntake } from './object-intake.ts'
import { laterVersion, ObjectVersions } from './object-versions.ts'
import type { ReflectorMetrics } from './reflector-metrics.ts'
import type { Resource } from './resources.ts'
import {
  metadataOf,
  type RawObject,
  type ReceivedObject,
  receivedKey,
  receivedVersion,
} from './wire/received.ts'
import type { WatchEvent } from './wire/watch-stream.ts'

export interface EventIntakeOptions {
  readonly resource: Resource
  readonly sink: Sink
  readonly log: Logger
  readonly metrics: ReflectorMetrics
  readonly onProblems: () => void
}

/** The objects of a list while it arrives. */
export type Listing = Map<Key, { readonly version: Version; readonly object: AnyObject | undefined }>

/** Takes the lists and events of one kind into the sink: what is news of them, in order. */
export class EventIntake {
  /** the newest version seen; '' at first */
  version: Version = ''
  readonly #options: EventIntakeOptions
  readonly #name: string
  readonly #objects: ObjectIntake
  readonly #versions = new ObjectVersions()

  constructor(options: EventIntakeOptions) {
    this.#options = options
    this.#name = options.resource.plural
    this.#objects = new ObjectIntake(options.resource.kind, options.onProblems)
  }

  problems(): Problem[] {
    return this.#objects.problems()
  }

  /** One object of a list. */
  collect(listing: Listing, received: ReceivedObject): void {
    const key = receivedKey(received)
    if (key === undefined || !this.#expected(received)) return
    listing.set(key, { version: receivedVersion(received), object: this.#objects.decode(key, received) })
  }

  /** One event of a streamed list; true for the bookmark that ends it. Throws ApiError. */
  gather(listing: Listing, { type, object }: WatchEvent): boolean {
    if (type === 'ERROR') throw this.#errorOf(object)
    if (type === 'BOOKMARK') return endsInitialEvents(object)
    const key = receivedKey(object)
    if (key === undefined) return false
    if (type === 'DELETED') listing.delete(key)
    else this.collect(listing, object)
    return false
  }

  /** The list is complete: these objects exist and no others. Returns how many are valid. */
  replace(listing: Listing, version: Version, begun: number): number {
    const { sink, resource, metrics } = this.#options
    const good: AnyObject[] = []
    for (const { object } of listing.values()) if (object !== undefined) good.push(object)
    const keys = new Set(listing.keys())
    this.#objects.keepOnly(keys)
    this.#versions.reset(listing)
    // Objects that are there but invalid keep their last good version.
    sink.replace(resource.kind, good as never[], { at: begun, keep: keys })
    this.version = version
    metrics.version(this.#name, String(version))
    return good.length
  }

  /** Everything that arrived together is one step. Throws ApiError, after what came before it was taken in. */
  apply(events: readonly WatchEvent[]): void {
    const { sink, metrics } = this.#options
    const at = performance.now()
    const changes: Change[] = []
    const counts = new Map<string, number>()
    let { version } = this
    try {
      for (const event of events) {
        counts.set(event.type, (counts.get(event.type) ?? 0) + 1)
        if (event.type === 'ERROR') throw this.#errorOf(event.object)
        const change = this.#changeOf(event)
        if (change !== undefined) changes.push(change)
        version = laterVersion(version, receivedVersion(event.object))
      }
    } finally {
      if (changes.length > 0) sink.apply(changes, { at })
      this.version = version
      for (const [type, count] of counts)
        metrics.count('events', this.#name, { type: type.toLowerCase() }, count)
      metrics.version(this.#name, String(version))
    }
  }

  #changeOf({ type, object }: WatchEvent): Change | undefined {
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') return undefined
    const key = receivedKey(object)
    if (key === undefined || !this.#expected(object)) return undefined
    const deleted = type === 'DELETED'
    if (!this.#versions.admit(key, receivedVersion(object), { deleted })) {
      this.#options.metrics.count('stale', this.#name)
      return undefined
    }
    if (deleted) {
      this.#objects.forget(key)
      return { kind: this.#options.resource.kind, deleted: key }
    }
    const decoded = this.#objects.decode(key, object)
    return decoded === undefined ? undefined : { object: decoded }
  }

  /** Whether this is an object of our kind: a proxy or an old server may send Tables or worse. */
  #expected({ kind }: ReceivedObject): boolean {
    const { resource, log } = this.#options
    if (kind === resource.kind) return true
    log.warn({ resource: this.#name, kind }, 'the API server sent an object of another kind')
    return false
  }

  #errorOf(status: ReceivedObject): Error {
    return apiErrorOf(status as RawObject, { what: `watch ${this.#name}` })
  }
}

/** Whether the object of a BOOKMARK says that the streamed list is complete (KEP-3157). */
export function endsInitialEvents(object: ReceivedObject): boolean {
  const { annotations } = metadataOf(object as RawObject)
  return (annotations as RawObject | undefined)?.['k8s.io/initial-events-end'] === 'true'
}
