import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import type { Logger } from 'pino'
import { parseDocument } from 'yaml'
import { type CheckContext, checkObject } from '../objects/check.ts'
import { isObject, type JsonObject, KINDS, type Kind, type ObjectChange } from '../objects/index.ts'
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
  readonly #current = new Map<string, string>()

  constructor(options: ObjectsFileOptions) {
    this.#options = options
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
    const text = raw.replace(
      /\$\{\{\s*(\w+)\s*(?::=\s*(.*?)\s*)?\}\}/g,
      (_, name: string, fallback: string | undefined) => {
        const value = process.env[name] ?? fallback
        if (value === undefined)
          throw new ObjectsFileError(`${file}: environment variable ${name} is not set`)
        return value
      },
    )
    const document = parseDocument(text)
    const [problem] = document.errors
    if (problem !== undefined) throw new ObjectsFileError(`${file}: ${problem.message}`, { cause: problem })
    const content: unknown = document.toJS() ?? {}
    if (!isObject(content)) throw new ObjectsFileError(`${file}: must be a map of resources`)
    return content
  }

  #apply(content: JsonObject): void {
    const { catalogue, log, file } = this.#options
    const changes: ObjectChange[] = []
    const there = new Set<string>()
    for (const kind of KINDS) {
      const list = content[kind]
      if (!Array.isArray(list)) continue
      for (const [index, item] of list.entries()) {
        const named = isObject(item) ? identified(kind, item, index) : undefined
        if (named === undefined) {
          log.error({ file, object: `${kind}[${index}]` }, 'is no object')
          continue
        }
        const { id, value, target } = named
        const fault = checkObject(target, id, value, this.#options, { references: 'unchecked' })
        const key = `${target}/${id}`
        if (fault !== undefined) log.error({ file, object: key, reason: fault }, 'object is not used')
        else if ((catalogue.get(target, id)?.origin ?? 'file') !== 'file')
          log.error({ file, object: key }, 'object is not used: one of this id is made from Kubernetes')
        else {
          there.add(key)
          const written = JSON.stringify(value)
          if (this.#current.get(key) === written) continue
          this.#current.set(key, written)
          changes.push({ kind: target, id, value } as unknown as ObjectChange)
        }
      }
    }
    for (const key of this.#current.keys()) {
      if (there.has(key)) continue
      this.#current.delete(key)
      const slash = key.indexOf('/')
      changes.push({ kind: key.slice(0, slash), id: key.slice(slash + 1), value: undefined } as ObjectChange)
    }
    catalogue.apply(changes, 'file')
  }

  commit(): Promise<Committed> {
    return Promise.reject(new ObjectsFileError(`objects come from ${this.#options.file}: change that file`))
  }

  async close(): Promise<void> {
    unwatchFile(this.#options.file)
  }
}

/** The id of an item of the file: its own, its name, or its place (`arr_1`). */
function identified(
  kind: Kind,
  item: JsonObject,
  index: number,
): { readonly target: Kind; readonly id: string; readonly value: JsonObject } {
  const value = structuredClone(item)
  // Changes are told apart by content; these two of APISIX's are of no use here.
  delete value.modifiedIndex
  delete value.createdIndex
  const id = String(value.id ?? (kind === 'consumers' ? value.username : undefined) ?? `arr_${index + 1}`)
  if (kind === 'consumers' && /^[^/]+\/credentials\/[^/]+$/.test(id)) {
    value.id = id.split('/').at(-1)
    return { target: 'credentials', id, value }
  }
  if (kind === 'consumers' || kind === 'plugin_metadata') delete value.id
  else value.id ??= id
  return { target: kind, id, value }
}
