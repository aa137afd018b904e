import { type Decoded, decodeObject } from '../objects/decode.ts'
import { formatPath } from '../objects/field.ts'
import { type AnyObject, isKind, type Kind, kindFacts } from '../objects/kinds.ts'
import { type Key, keyFrom, keyOf } from '../objects/meta.ts'
import type { Problem } from '../source.ts'
import { type ManifestDocument, type Position, parseManifest } from './parse.ts'
import { isStatusFile, type StatusPatch, statusPatchIn } from './status-patch.ts'

/** 'Service shop/catalog': one object over all kinds. */
export type ObjectId = string

export function objectId(kind: Kind, key: Key): ObjectId {
  return `${kind} ${key}`
}

/** Kind and key of an id. */
export function partsOf(id: ObjectId): { kind: Kind; key: Key } {
  const space = id.indexOf(' ')
  return { kind: id.slice(0, space) as Kind, key: id.slice(space + 1) }
}

/** What a document contributes: an object, or a status laid over one. */
export interface Contribution {
  readonly id: ObjectId
  readonly kind: Kind
  readonly key: Key
  readonly at: () => Position
  readonly object?: AnyObject | undefined
  /** the object as written, to lay a status over */
  readonly raw?: object | undefined
  readonly patch?: StatusPatch | undefined
}

/** What one file contributes, with the last good version standing in for what is wrong now. */
export interface ManifestFile {
  readonly path: string
  readonly contributions: ReadonlyMap<ObjectId, Contribution>
  readonly problems: readonly Problem[]
  readonly state: 'ok' | 'degraded' | 'rejected'
  /** false: the text is no YAML at all, everything is last good */
  readonly parsed: boolean
}

/**
 * Reads one file's text. The unit of "last good" is the document: if the file does not parse, all of
 * `before` stays; if a document is invalid, the object it names keeps its version of `before`; if it
 * cannot even be told which object it is, nothing of `before` is deleted.
 */
export function readManifestFile(path: string, text: string, before: ManifestFile | undefined): ManifestFile {
  const earlier = before?.contributions ?? new Map<ObjectId, Contribution>()
  const { documents, errors } = parseManifest(text)
  if (errors.length > 0) {
    const problems = errors.map((error): Problem => ({ severity: 'error', file: path, ...error }))
    return {
      path,
      contributions: earlier,
      problems,
      state: earlier.size > 0 ? 'degraded' : 'rejected',
      parsed: false,
    }
  }
  const reading = new FileReading(path, earlier)
  for (const document of documents) reading.read(document)
  return reading.finish()
}

class FileReading {
  readonly #path: string
  readonly #earlier: ReadonlyMap<ObjectId, Contribution>
  readonly #contributions = new Map<ObjectId, Contribution>()
  readonly #problems: Problem[] = []
  readonly #unknown = new Set<string>()
  #anonymous = false
  #kept = false
  #lost = false

  constructor(path: string, earlier: ReadonlyMap<ObjectId, Contribution>) {
    this.#path = path
    this.#earlier = earlier
  }

  read(document: ManifestDocument): void {
    const decoded = isStatusFile(this.#path) ? statusPatchIn(document.raw) : decodeObject(document.raw)
    if (decoded.outcome === 'unknown') this.#skip(document, decoded.message)
    else if (decoded.outcome === 'invalid') this.#refuse(document, decoded)
    else this.#accept(document, decoded)
  }

  finish(): ManifestFile {
    if (this.#anonymous) {
      for (const [id, contribution] of this.#earlier) {
        if (this.#contributions.has(id)) continue
        this.#contributions.set(id, contribution)
        this.#kept = true
      }
    }
    return {
      path: this.#path,
      contributions: this.#contributions,
      problems: this.#problems,
      state: this.#lost ? 'rejected' : this.#kept ? 'degraded' : 'ok',
      parsed: true,
    }
  }

  #accept(document: ManifestDocument, decoded: { object: AnyObject } | { patch: StatusPatch }): void {
    const at = document.start
    let contribution: Contribution
    if ('patch' in decoded) {
      const { patch } = decoded
      contribution = { id: objectId(patch.kind, patch.key), kind: patch.kind, key: patch.key, at, patch }
    } else {
      const { object } = decoded
      const key = keyOf(object)
      const raw = document.raw as object
      contribution = { id: objectId(object.kind, key), kind: object.kind, key, at, object, raw }
    }
    const first = this.#contributions.get(contribution.id)
    if (first === undefined) {
      this.#contributions.set(contribution.id, contribution)
      return
    }
    this.#lost = true
    this.#report(document, {
      object: contribution.id,
      message: `is in this file twice; the document at line ${first.at().line} is used, remove one`,
    })
  }

  #refuse(document: ManifestDocument, decoded: Extract<Decoded, { outcome: 'invalid' }>): void {
    const id = identify(document.raw)
    for (const { path, message } of decoded.problems) {
      this.#report(document, { object: id, field: formatPath(path), message, ...document.locate(path) })
    }
    if (id === undefined) {
      this.#anonymous = true
      if (this.#earlier.size === 0) this.#lost = true
      return
    }
    const good = this.#earlier.get(id)
    if (good === undefined) this.#lost = true
    else if (!this.#contributions.has(id)) {
      this.#contributions.set(id, good)
      this.#kept = true
    }
  }

  #skip(document: ManifestDocument, message: string): void {
    if (this.#unknown.has(message)) return
    this.#unknown.add(message)
    this.#report(document, { severity: 'warning', message })
  }

  #report(document: ManifestDocument, problem: Partial<Problem> & { message: string }): void {
    this.#problems.push({ severity: 'error', file: this.#path, ...document.start(), ...problem })
  }
}

/** Which object an invalid document is about, if it says so. */
function identify(raw: unknown): ObjectId | undefined {
  if (typeof raw !== 'object' || raw === null || !('kind' in raw) || !('metadata' in raw)) return undefined
  const { kind, metadata } = raw
  if (typeof kind !== 'string' || !isKind(kind) || typeof metadata !== 'object' || metadata === null)
    return undefined
  const name = 'name' in metadata ? metadata.name : undefined
  const namespace = 'namespace' in metadata ? metadata.namespace : undefined
  if (typeof name !== 'string' || name === '') return undefined
  if (!kindFacts[kind].namespaced) return objectId(kind, name)
  return objectId(
    kind,
    keyFrom(typeof namespace === 'string' && namespace !== '' ? namespace : 'default', name),
  )
}
