import { compactObject } from '../compact/compact.ts'
import { CompactObject } from '../compact/compact-object.ts'
import { decodeObject } from '../objects/decode.ts'
import { formatPath } from '../objects/field.ts'
import type { AnyObject, Kind } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'
import type { Problem, Regarding } from '../source.ts'
import { metadataOf, type RawObject, type ReceivedObject } from './wire/received.ts'

function regardingOf(raw: RawObject): Regarding {
  const metadata = metadataOf(raw)
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return {
    apiVersion: text(raw['apiVersion']),
    kind: text(raw['kind']),
    metadata: {
      namespace: text(metadata['namespace']),
      name: text(metadata['name']),
      uid: text(metadata['uid']),
    },
  }
}

/** Decodes objects of one kind and keeps the problems of those that are invalid. */
export class ObjectIntake {
  readonly #kind: Kind
  readonly #problems = new Map<Key, readonly Problem[]>()
  readonly #onProblems: () => void

  constructor(kind: Kind, onProblems: () => void) {
    this.#kind = kind
    this.#onProblems = onProblems
  }

  /** The object, trimmed; undefined if it is invalid, which is reported: its last good version stays. */
  decode(key: Key, raw: ReceivedObject): AnyObject | undefined {
    if (raw instanceof CompactObject) {
      this.forget(key)
      return raw as AnyObject & CompactObject
    }
    const decoded = decodeObject(raw)
    if (decoded.outcome === 'object') {
      this.forget(key)
      return compactObject(decoded.object)
    }
    const object = `${this.#kind} ${key}`
    const regarding = regardingOf(raw)
    const problems: Problem[] =
      decoded.outcome === 'unknown'
        ? [{ severity: 'error', object, message: decoded.message, regarding }]
        : decoded.problems.map(({ path, message }) => ({
            severity: 'error',
            object,
            field: formatPath(path),
            message,
            regarding,
          }))
    this.#problems.set(key, problems)
    this.#onProblems()
    return undefined
  }

  /** The object has gone, or is good again. */
  forget(key: Key): void {
    if (this.#problems.delete(key)) this.#onProblems()
  }

  /** After a complete list: objects that are not there any more have no problems either. */
  keepOnly(keys: ReadonlySet<Key>): void {
    for (const key of [...this.#problems.keys()]) if (!keys.has(key)) this.forget(key)
  }

  problems(): Problem[] {
    return [...this.#problems.values()].flat()
  }
}
