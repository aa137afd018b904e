import { type CheckContext, checkObject } from '../objects/check.ts'
import { type Entry, isObject, type JsonObject, type Kind, type ObjectChange } from '../objects/index.ts'
import { type AdminAnswer, failure, notFound } from './answers.ts'
import { merge, setAt } from './merge.ts'
import { inUse } from './references.ts'
import type { Journal } from './storage.ts'

const WORDS: Readonly<Record<Kind, string>> = {
  routes: 'route',
  services: 'service',
  upstreams: 'upstream',
  consumers: 'consumer',
  plugin_configs: 'plugin config',
  global_rules: 'global rule',
  plugin_metadata: 'plugin_metadata',
  ssls: 'ssl',
}

const STAMPED: ReadonlySet<Kind> = new Set([
  'routes',
  'services',
  'upstreams',
  'consumers',
  'plugin_configs',
  'global_rules',
  'ssls',
])
const READ_ONLY = 'this object is made from a Kubernetes object and read only: change that one'

/** Create, read, update and delete on the catalogue, with the Admin API's rules. */
export class Resources {
  readonly #context: CheckContext
  readonly #journal: Journal | undefined

  constructor(context: CheckContext, journal: Journal | undefined) {
    this.#context = context
    this.#journal = journal
  }

  get(kind: Kind, id: string): AdminAnswer {
    const entry = this.#context.catalogue.get(kind, id)
    return entry === undefined ? notFound : { status: 200, body: item(kind, entry) }
  }

  list(kind: Kind, query: Readonly<Record<string, string | undefined>>): AdminAnswer {
    let entries: Entry<Kind>[] = this.#context.catalogue.list(kind)
    const { name, label, uri, page, page_size } = query
    const value = (entry: Entry<Kind>) => entry.value as unknown as JsonObject
    if (name !== undefined) entries = entries.filter((entry) => matches(value(entry).name, name))
    if (label !== undefined) {
      entries = entries.filter(
        (entry) => isObject(value(entry).labels) && label in (value(entry).labels as JsonObject),
      )
    }
    if (uri !== undefined) {
      entries = entries.filter((entry) =>
        [value(entry).uri, value(entry).uris].flat().some((one) => matches(one, uri)),
      )
    }
    const total = entries.length
    if (page !== undefined && page_size !== undefined) {
      const size = Number(page_size)
      if (!(size >= 10 && size <= 500)) return { status: 400, body: 'page_size must be between 10 and 500' }
      if (!(Number(page) >= 1)) return { status: 400, body: 'page must be greater than 0' }
      entries = entries.slice((Number(page) - 1) * size, Number(page) * size)
    }
    return { status: 200, body: { total, list: entries.map((entry) => item(kind, entry)) } }
  }

  /** PUT; for consumers `id` may be missing from the URL. */
  async put(kind: Kind, urlId: string | undefined, body: unknown): Promise<AdminAnswer> {
    if (!isObject(body)) return failure('invalid configuration: wrong type: expected object, got string')
    const id = urlId ?? (kind === 'consumers' ? body.username : body.id)
    if (id === undefined)
      return failure(kind === 'consumers' ? 'missing username' : `missing ${WORDS[kind]} id`)
    const stated = kind === 'consumers' ? body.username : body.id
    if (urlId !== undefined && stated !== undefined && String(stated) !== urlId) {
      return failure(kind === 'consumers' ? 'wrong username' : `wrong ${WORDS[kind]} id`)
    }
    if (kind !== 'plugin_metadata' && !/^[a-zA-Z0-9-_.]{1,64}$/.test(String(id))) {
      return failure(
        `invalid configuration: property "id" validation failed: object matches none of the required`,
      )
    }
    return this.#write(kind, String(id), body, { status: undefined, stamps: 'forbidden' })
  }

  async post(kind: Kind, urlId: string | undefined, body: unknown): Promise<AdminAnswer> {
    if (!isObject(body)) return failure('invalid configuration: wrong type: expected object, got string')
    if (urlId !== undefined || body.id !== undefined)
      return failure(`wrong ${WORDS[kind]} id, do not need it`)
    const id = String(this.#context.catalogue.revision + 1).padStart(20, '0')
    return this.#write(kind, id, body, { status: 201, stamps: 'forbidden' })
  }

  async patch(kind: Kind, id: string, path: readonly string[], body: unknown): Promise<AdminAnswer> {
    if (body === undefined) return failure('missing new configuration')
    const entry = this.#context.catalogue.get(kind, id)
    if (entry === undefined) return notFound
    const before = structuredClone(entry.value) as unknown as JsonObject
    if (path.length === 0 && !isObject(body)) return failure('invalid configuration')
    const next = path.length === 0 ? merge(before, body as JsonObject) : setAt(before, path, body)
    if (next === undefined) return failure(`invalid sub-path: /${path.join('/')}`)
    return this.#write(kind, id, next, { status: 200, stamps: 'allowed' })
  }

  async delete(kind: Kind, id: string, options: { readonly force: boolean }): Promise<AdminAnswer> {
    const { catalogue } = this.#context
    const entry = catalogue.get(kind, id)
    if (entry === undefined) return notFound
    if (entry.origin === 'kubernetes') return failure(READ_ONLY)
    const users = options.force ? undefined : inUse(catalogue, kind, id)
    if (users !== undefined) return failure(users)
    const stored = await this.#store({ kind, id, value: undefined } as ObjectChange)
    return stored ?? { status: 200, body: { key: keyOf(kind, id), deleted: '1' } }
  }

  async #write(
    kind: Kind,
    id: string,
    given: JsonObject,
    options: { readonly status: number | undefined; readonly stamps: 'forbidden' | 'allowed' },
  ): Promise<AdminAnswer> {
    const { catalogue } = this.#context
    const before = catalogue.get(kind, id)
    if (before?.origin === 'kubernetes') return failure(READ_ONLY)
    const value = structuredClone(given)
    if (options.stamps === 'forbidden') {
      const stamp = ['create_time', 'update_time'].find((name) => value[name] !== undefined)
      if (stamp !== undefined) return failure(`the property is forbidden:  ${stamp}`)
    }
    if (kind === 'consumers') value.username ??= id
    else if (kind !== 'plugin_metadata') value.id ??= id
    const fault = checkObject(kind, id, value, this.#context)
    if (fault !== undefined) return failure(fault)
    if (STAMPED.has(kind)) {
      const now = Math.floor(Date.now() / 1000)
      const created = (before?.value as { create_time?: unknown } | undefined)?.create_time
      value.create_time = given.create_time ?? created ?? now
      value.update_time = now
    }
    const stored = await this.#store({ kind, id, value } as unknown as ObjectChange)
    if (stored !== undefined) return stored
    return {
      status: options.status ?? (before === undefined ? 201 : 200),
      body: { key: keyOf(kind, id), value: kind === 'ssls' ? withoutKeys(value) : value },
    }
  }

  /** Durable first, visible second. */
  async #store(change: ObjectChange): Promise<AdminAnswer | undefined> {
    try {
      await this.#journal?.append(change)
    } catch (error) {
      return failure(error instanceof Error ? error.message : String(error), 503)
    }
    this.#context.catalogue.apply([change], 'admin')
    return undefined
  }
}

function keyOf(kind: Kind, id: string): string {
  return `/apisix/${kind}/${id}`
}

function item(kind: Kind, entry: Entry<Kind>): JsonObject {
  const { id, value, createdIndex, modifiedIndex } = entry
  return {
    key: keyOf(kind, id),
    value: kind === 'ssls' ? withoutKeys(value) : value,
    createdIndex,
    modifiedIndex,
  }
}

/** Private keys are written, never read back. */
function withoutKeys(value: object): JsonObject {
  const { key: _key, keys: _keys, ...shown } = value as JsonObject
  return shown
}

/** `name` and `uri` filters are patterns, as in APISIX; one that is no regex is taken as text. */
function matches(value: unknown, pattern: string): boolean {
  if (typeof value !== 'string') return false
  try {
    return new RegExp(pattern).test(value)
  } catch {
    return value.includes(pattern)
  }
}
