import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import type { Logger } from 'pino'
import { parseDocument } from 'yaml'
import { withEnvironment } from '../config/environment-text.ts'
import { type CheckContext, checkObject } from '../objects/check.ts'
import { isObject, type JsonObject, KINDS } from '../objects/index.ts'
import { type DeclaredItem, DeclaredObjects, declaredItem } from './declared-objects.ts'
import type { Committed, ObjectStorage } from './object-storage.ts'

const POLL_MS = 1000

export class ObjectsFileError extends Error {
  readonly code = 'GW_OBJECTS_FILE'
}

export interface ObjectsFileOptions extends CheckContext {
  readonly file: string
  readonly log: Logger
}

/**
 * APISIX's standalone mode: all objects in one file (apisix.yaml ending with a line #END, or .json), read again when it
 * changes. A file that is not complete or not valid leaves what there was; an object that is not good is left out and named.
 */
export class ObjectsFile implements ObjectStorage {
  readonly #options: ObjectsFileOptions
  readonly #declared: DeclaredObjects

  constructor(options: ObjectsFileOptions) {
    this.#options = options
    this.#declared = new DeclaredObjects(options.catalogue, 'file')
    this.#apply(this.#read())
    watchFile(options.file, { interval: POLL_MS, persistent: false }, () => this.#reload())
  }

  #reload(): void {
    try {
      this.#apply(this.#read())
    } catch (error) {
      const { file, log } = this.#options
      log.error(
        { file, reason: error instanceof Error ? error.message : String(error) },
        'objects file is not used',
      )
    }
  }

  #read(): JsonObject {
    const { file } = this.#options
    const raw = readFileSync(file, 'utf8')
    if (!file.endsWith('.json') && !/#END\s*$/.test(raw))
      throw new ObjectsFileError(`${file}: missing valid end flag: the last line must be #END`)
    const document = parseDocument(this.#withEnvironment(raw))
    const [problem] = document.errors
    if (problem !== undefined) throw new ObjectsFileError(`${file}: ${problem.message}`, { cause: problem })
    const content: unknown = document.toJS() ?? {}
    if (!isObject(content)) throw new ObjectsFileError(`${file}: must be a map of resources`)
    return content
  }

  #withEnvironment(raw: string): string {
    try {
      return withEnvironment(raw)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new ObjectsFileError(`${this.#options.file}: ${why}`, { cause })
    }
  }

  #apply(content: JsonObject): void {
    const { log, file } = this.#options
    const items: DeclaredItem[] = []
    for (const list of KINDS) {
      const given = content[list]
      if (!Array.isArray(given)) continue
      for (const [index, item] of given.entries()) {
        if (!isObject(item)) {
          log.error({ file, object: `${list}[${index}]` }, 'is no object')
          continue
        }
        const { kind, id, value } = declaredItem(list, withPlugins(item), index)
        const fault = checkObject(kind, id, value, this.#options, { references: 'unchecked' })
        if (fault === undefined) items.push({ kind, id, value })
        else log.error({ file, object: `${kind}/${id}`, reason: fault }, 'object is not used')
      }
    }
    for (const object of this.#declared.replace(items))
      log.error({ file, object }, 'object is not used: one of this id is made from Kubernetes')
  }

  commit(): Promise<Committed> {
    return Promise.reject(new ObjectsFileError(`objects come from ${this.#options.file}: change that file`))
  }

  async close(): Promise<void> {
    unwatchFile(this.#options.file)
  }
}

/** A plugin without a value (`key-auth:` in YAML) has no settings of its own. */
function withPlugins(item: JsonObject): JsonObject {
  if (!isObject(item.plugins)) return item
  const plugins = Object.entries(item.plugins).map(([name, conf]) => [name, conf ?? {}])
  return { ...item, plugins: Object.fromEntries(plugins) }
}
