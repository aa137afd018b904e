import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import path from 'node:path'
import type { Logger } from 'pino'
import type { CheckContext } from '../objects/check.ts'
import { isObject, type JsonObject } from '../objects/index.ts'
import { checkDeclaration, LISTS, type List, versionKey } from './declaration.ts'
import { type DeclaredItem, DeclaredObjects } from './declared-objects.ts'
import { type Committed, type ObjectStorage, ReadOnlyError } from './object-storage.ts'
import { StorageError, type ValueCodec } from './storage.ts'

// These two are told in headers, and are part of the document as well.
export const DIGEST = 'X-Digest'
export const LAST_MODIFIED = 'X-Last-Modified'

export interface DeclaredStorageOptions extends CheckContext {
  /** Where the configuration is kept for the next start; undefined: in memory only. */
  readonly directory: string | undefined
  readonly codec: ValueCodec
  readonly log: Logger
}

/** The configuration is older than the one in force, or faulty. */
export class DeclarationError extends Error {
  readonly code = 'GW_DECLARATION'
}

/**
 * APISIX's API-driven standalone mode: all objects are one document that is put as a whole. Each of its lists has a version;
 * one whose version has not changed stays as it was.
 */
export class DeclaredStorage implements ObjectStorage {
  readonly #options: DeclaredStorageOptions
  readonly #declared: DeclaredObjects
  readonly #file: string | undefined
  #document: JsonObject = Object.fromEntries(LISTS.map((list) => [versionKey(list), 0]))

  constructor(options: DeclaredStorageOptions) {
    const { catalogue, directory } = options
    this.#options = options
    this.#declared = new DeclaredObjects(catalogue, 'configs')
    this.#file = directory === undefined ? undefined : path.join(directory, 'configs.json')
    if (this.#file !== undefined && existsSync(this.#file))
      this.restore(this.#coded('decode', readDocument(this.#file)))
  }

  /** As it was put, with versions, digest and time. */
  get document(): JsonObject {
    return this.#document
  }

  /** Begins with a document that was in force before. Items that are not good any more are left out and named. */
  restore(document: JsonObject): void {
    const { items, faults } = checkDeclaration(document, this.#options)
    for (const { resource_type: list, resource_id: id, error } of faults)
      this.#options.log.error({ object: `${list}/${id}`, reason: error }, 'object is not used')
    this.#put(document, items)
  }

  /**
   * Puts a whole configuration in force, durably. Rejects with DeclarationError in the Admin API's words, and nothing has
   * changed then.
   */
  async replace(given: JsonObject, digest: string): Promise<void> {
    const next: JsonObject = {}
    for (const list of LISTS) {
      const before = Number(this.#document[versionKey(list)])
      const version = given[versionKey(list)] ?? before + 1
      if (typeof version !== 'number') throw new DeclarationError(`${versionKey(list)} must be a number`)
      if (version < before)
        throw new DeclarationError(`${versionKey(list)} must be greater than or equal to (${before})`)
      next[versionKey(list)] = version
      const items = (version === before ? this.#document : given)[list] ?? []
      if (!Array.isArray(items) || items.length > 0) next[list] = items
    }
    next[LAST_MODIFIED] = Math.floor(Date.now() / 1000)
    next[DIGEST] = digest
    const { items, faults } = checkDeclaration(next, this.#options)
    const [fault] = faults
    if (fault !== undefined) throw new DeclarationError(fault.error)
    await this.#save(next)
    this.#put(next, items)
  }

  #put(document: JsonObject, items: readonly DeclaredItem[]): void {
    this.#document = document
    for (const object of this.#declared.replace(items))
      this.#options.log.error({ object }, 'object is not used: one of this id is made from Kubernetes')
  }

  async #save(document: JsonObject): Promise<void> {
    if (this.#file === undefined) return
    mkdirSync(path.dirname(this.#file), { recursive: true, mode: 0o700 })
    const file = await open(`${this.#file}.new`, 'w', 0o600)
    try {
      await file.writeFile(JSON.stringify(this.#coded('encode', document)))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${this.#file}.new`, this.#file)
  }

  #coded(direction: 'encode' | 'decode', document: JsonObject): JsonObject {
    const { codec } = this.#options
    return mapItems(document, (list, item) => (list === 'plugins' ? item : codec[direction](list, item)))
  }

  commit(): Promise<Committed> {
    return Promise.reject(new ReadOnlyError('objects are part of /apisix/admin/configs: put the whole there'))
  }

  async close(): Promise<void> {}
}

function readDocument(file: string): JsonObject {
  try {
    const document: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isObject(document)) return document
  } catch (cause) {
    throw new StorageError(`${file} cannot be read: restore it or move it away`, { cause })
  }
  throw new StorageError(`${file} is no configuration: restore it or move it away`)
}

/** A copy of a document with each of its items changed. */
export function mapItems(
  document: JsonObject,
  change: (list: List, item: JsonObject) => JsonObject,
): JsonObject {
  const copy = { ...document }
  for (const list of LISTS) {
    const items = copy[list]
    if (Array.isArray(items)) copy[list] = items.map((item) => (isObject(item) ? change(list, item) : item))
  }
  return copy
}
