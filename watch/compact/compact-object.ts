import type { AnyObject, Kind } from '../objects/kinds.ts'
import type { Key, ObjectMeta, StringMap } from '../objects/meta.ts'

/** What every compact object is made from. */
export interface CompactMetadata {
  readonly key: Key
  readonly namespace: string
  readonly uid: string
  readonly version: Version
  readonly labels: StringMap
  readonly annotations: StringMap
  readonly created: Moment
  readonly deleted: Moment
}

/** A resourceVersion: a number where it is one, which takes no memory of its own. */
export type Version = number | string

/** Seconds since the epoch; a text where the time is not in whole seconds. */
export type Moment = number | string | undefined

/**
 * A namespaced object in a form that takes little memory: of the nested form that readers see, getters make what
 * is asked for. Own properties are what is kept; two objects with equal ones say the same.
 */
export abstract class CompactObject {
  readonly key: Key
  readonly namespace: string
  readonly uid: string
  readonly version: Version
  readonly labels: StringMap
  readonly annotations: StringMap
  readonly created: Moment
  readonly deleted: Moment

  constructor(metadata: CompactMetadata) {
    this.key = metadata.key
    this.namespace = metadata.namespace
    this.uid = metadata.uid
    this.version = metadata.version
    this.labels = metadata.labels
    this.annotations = metadata.annotations
    this.created = metadata.created
    this.deleted = metadata.deleted
  }

  abstract readonly apiVersion: string
  abstract readonly kind: Kind

  get metadata(): MetadataView {
    return new MetadataView(this)
  }

  /** The nested form, for JSON and for other processes. */
  abstract toJSON(): AnyObject
}

/** `metadata` of a compact object: a text is made when it is asked for. */
class MetadataView implements ObjectMeta {
  readonly #object: CompactMetadata

  constructor(object: CompactMetadata) {
    this.#object = object
  }

  get namespace(): string {
    return this.#object.namespace
  }

  get name(): string {
    const { key, namespace } = this.#object
    return key.slice(namespace.length + 1)
  }

  get uid(): string {
    return this.#object.uid
  }

  get resourceVersion(): string {
    return String(this.#object.version)
  }

  get labels(): StringMap {
    return this.#object.labels
  }

  get annotations(): StringMap {
    return this.#object.annotations
  }

  get creationTimestamp(): string | undefined {
    return timestampOf(this.#object.created)
  }

  get deletionTimestamp(): string | undefined {
    return timestampOf(this.#object.deleted)
  }

  toJSON(): ObjectMeta {
    const { namespace, name, uid, resourceVersion, labels, annotations } = this
    const { creationTimestamp, deletionTimestamp } = this
    return {
      namespace,
      name,
      uid,
      resourceVersion,
      labels,
      annotations,
      creationTimestamp,
      deletionTimestamp,
    }
  }
}

/** The compact form of `metadata` of a namespaced object. */
export function compactMetadata(metadata: ObjectMeta): CompactMetadata {
  const { namespace, name, uid, resourceVersion, labels, annotations } = metadata
  return {
    key: `${namespace}/${name}`,
    namespace,
    uid,
    version: versionIn(resourceVersion),
    labels,
    annotations,
    created: momentIn(metadata.creationTimestamp),
    deleted: momentIn(metadata.deletionTimestamp),
  }
}

function versionIn(text: string): Version {
  const number = Number(text)
  return Number.isSafeInteger(number) && String(number) === text ? number : text
}

function momentIn(text: string | undefined): Moment {
  if (text === undefined) return undefined
  const seconds = Date.parse(text) / 1000
  return Number.isInteger(seconds) && timestampOf(seconds) === text ? seconds : text
}

function timestampOf(moment: Moment): string | undefined {
  return typeof moment === 'number' ? new Date(moment * 1000).toISOString().replace('.000Z', 'Z') : moment
}
