import { type CheckContext, checkObject } from '../objects/check.ts'
import {
  type Entry,
  isObject,
  type JsonObject,
  type Kind,
  type ObjectChange,
  SCHEMAS,
  typeName,
  validate,
} from '../objects/index.ts'
import { type AdminAnswer, failure, notFound } from './answers.ts'
import { merge, setAt } from './merge.ts'
import {
  type CommitOptions,
  type Committed,
  ConflictError,
  type ObjectStorage,
  ReadOnlyError,
} from './object-storage.ts'
import { keyOf } from './paths.ts'
import { inUse } from './references.ts'
import { select } from './select.ts'

/** What a kind is called in messages. */
export const WORDS: Readonly<Record<Kind, string>> = {
  routes: 'route',
  services: 'service',
  upstreams: 'upstream',
  consumers: 'consumer',
  credentials: 'credential',
  consumer_groups: 'consumer group',
  plugin_configs: 'plugin config',
  global_rules: 'global rule',
  plugin_metadata: 'plugin_metadata',
  ssls: 'ssl',
  stream_routes: 'stream route',
  protos: 'proto',
  secrets: 'secret',
}

/** Methods that a resource does not have. */
export const UNSUPPORTED: Readonly<Partial<Record<Kind, readonly string[]>>> = {
  consumers: ['POST', 'PATCH'],
  credentials: ['POST', 'PATCH'],
  consumer_groups: ['POST'],
  plugin_configs: ['POST'],
  global_rules: ['POST'],
  plugin_metadata: ['POST', 'PATCH'],
  protos: ['PATCH'],
  secrets: ['POST'],
  stream_routes: ['PATCH'],
}

/** What a request that needs an id and names none is told. */
export function missingId(kind: Kind, method: string): string {
  if (kind === 'plugin_metadata') return 'missing plugin name'
  return kind === 'secrets' && method === 'PATCH' ? 'no secret id' : `missing ${WORDS[kind]} id`
}

const READ_ONLY: Readonly<Record<string, string>> = {
  kubernetes: 'this object is made from a Kubernetes object and read only: change that one',
  configs: 'this object is part of /apisix/admin/configs: put the whole there',
  file: 'this object comes from a file and is read only: change that one',
}

/** Create, read, update and delete on the catalogue, with the Admin API's rules. */
export class Resources {
  readonly #context: CheckContext
  readonly #storage: ObjectStorage

  constructor(context: CheckContext, storage: ObjectStorage) {
    this.#context = context
    this.#storage = storage
  }

  get(kind: Kind, id: string): AdminAnswer {
    const entry = this.#context.catalogue.get(kind, id)
    return entry === undefined ? notFound : { status: 200, body: item(kind, entry) }
  }

  /** `prefix`: only objects whose id begins so. */
  list(kind: Kind, prefix: string, query: Readonly<Record<string, string | undefined>>): AdminAnswer {
    const { catalogue } = this.#context
    const [consumer = ''] = prefix.split('/')
    if (kind === 'credentials' && catalogue.get('consumers', consumer) === undefined) return notFound
    let entries: Entry<Kind>[] = catalogue.list(kind)
    if (prefix !== '') entries = entries.filter(({ id }) => id.startsWith(prefix))
    const found = select(entries, query)
    if (typeof found === 'string') return { status: 400, body: found }
    return {
      status: 200,
      body: { total: found.total, list: found.page.map((entry) => item(kind, entry)) },
    }
  }

  /** PUT; for consumers `id` may be missing from the URL. */
  async put(
    kind: Kind,
    urlId: string | undefined,
    body: unknown,
    query: Readonly<Record<string, string | undefined>> = {},
  ): Promise<AdminAnswer> {
    if (!isObject(body)) return noObject(body)
    const id = urlId ?? (kind === 'consumers' ? body.username : body.id)
    if (id === undefined)
      return failure(
        kind === 'consumers'
          ? 'invalid configuration: property "username" is required'
          : missingId(kind, 'PUT'),
      )
    const stated = kind === 'consumers' ? body.username : body.id
    if (kind === 'credentials' || kind === 'secrets') return this.#putNested(kind, id, body, query)
    if (urlId !== undefined && stated !== undefined && String(stated) !== urlId) {
      return failure(kind === 'consumers' ? 'wrong username' : `wrong ${WORDS[kind]} id`)
    }
    if (kind === 'consumers') {
      const fault = validate(SCHEMAS.consumers.properties?.username ?? {}, id)
      if (fault !== undefined)
        return failure(`invalid configuration: property "username" validation failed: ${fault}`)
    } else if (kind !== 'plugin_metadata' && !/^[a-zA-Z0-9-_.]{1,64}$/.test(String(id))) {
      return failure(
        `invalid configuration: property "id" validation failed: object matches none of the required`,
      )
    }
    return this.#write(kind, String(id), body, { status: undefined, stamps: 'forbidden', query })
  }

  /** Objects whose id has a part before it: the consumer of a credential, the manager of a secret. */
  #putNested(
    kind: Kind,
    id: unknown,
    body: JsonObject,
    query: Readonly<Record<string, string | undefined>>,
  ): Promise<AdminAnswer> | AdminAnswer {
    const [parent = '', ...parts] = String(id).split('/')
    const own = parts.at(-1) ?? ''
    if (!/^[a-zA-Z0-9-_.]{1,64}$/.test(own))
      return failure(
        'invalid configuration: property "id" validation failed: object matches none of the required',
      )
    // A secret's id has its manager in front, as in APISIX.
    const ids = kind === 'secrets' ? [own, String(id)] : [own]
    if (body.id !== undefined && !ids.includes(String(body.id))) return failure(`wrong ${WORDS[kind]} id`)
    if (kind === 'credentials' && this.#context.catalogue.get('consumers', parent) === undefined)
      return failure(`consumer not found`, 404)
    const value = { ...body, id: ids.at(-1) }
    return this.#write(kind, String(id), value, { status: undefined, stamps: 'forbidden', query })
  }

  async post(
    kind: Kind,
    urlId: string | undefined,
    body: unknown,
    query: Readonly<Record<string, string | undefined>> = {},
  ): Promise<AdminAnswer> {
    if (!isObject(body)) return noObject(body)
    if (urlId !== undefined || body.id !== undefined)
      return failure(`wrong ${WORDS[kind]} id, do not need it`)
    const id = String(this.#context.catalogue.revision + 1).padStart(20, '0')
    return this.#write(kind, id, body, { status: 201, stamps: 'forbidden', query })
  }

  async patch(kind: Kind, id: string, path: readonly string[], body: unknown): Promise<AdminAnswer> {
    if (body === undefined) return failure('missing new configuration')
    const entry = this.#context.catalogue.get(kind, id)
    if (entry === undefined) return notFound
    const before = structuredClone(entry.value) as unknown as JsonObject
    if (path.length === 0 && !isObject(body)) return failure('invalid configuration')
    const next = path.length === 0 ? merge(before, body as JsonObject) : setAt(before, path, body)
    if (next === undefined) return failure(`invalid sub-path: /${path.join('/')}`)
    const expected = entry.modifiedIndex
    const updateTime = path.length === 0 && isObject(body) ? body.update_time : undefined
    return this.#write(kind, id, next, { status: 200, stamps: 'allowed', query: {}, expected, updateTime })
  }

  async delete(kind: Kind, id: string, options: { readonly force: boolean }): Promise<AdminAnswer> {
    const { catalogue } = this.#context
    const entry = catalogue.get(kind, id)
    if (entry === undefined) return notFound
    if (entry.origin !== 'admin') return failure(READ_ONLY[entry.origin] ?? '')
    const users = options.force ? undefined : inUse(catalogue, kind, id)
    if (users !== undefined) return failure(users)
    if (kind === 'consumers') {
      for (const { id: credential } of catalogue.list('credentials')) {
        if (credential.startsWith(`${id}/`))
          await this.#store({ kind: 'credentials', id: credential, value: undefined }, {})
      }
    }
    const stored = await this.#store({ kind, id, value: undefined } as ObjectChange, {})
    return 'status' in stored ? stored : { status: 200, body: { key: keyOf(kind, id), deleted: '1' } }
  }

  async #write(
    kind: Kind,
    id: string,
    given: JsonObject,
    options: {
      readonly status: number | undefined
      readonly stamps: 'forbidden' | 'allowed'
      readonly query: Readonly<Record<string, string | undefined>>
      readonly expected?: number | undefined
      /** What a PATCH sets it to; by default now. */
      readonly updateTime?: unknown
    },
  ): Promise<AdminAnswer> {
    const ttl = options.query.ttl === undefined ? undefined : Number(options.query.ttl)
    const { catalogue } = this.#context
    const before = catalogue.get(kind, id)
    if (before !== undefined && before.origin !== 'admin') return failure(READ_ONLY[before.origin] ?? '')
    const value = structuredClone(given)
    if (options.stamps === 'forbidden') {
      const stamp = givenStamp(value)
      if (stamp !== undefined) return failure(`the property is forbidden:  ${stamp}`)
    }
    if (kind === 'consumers') value.username ??= id
    else if (kind !== 'plugin_metadata') value.id ??= id
    const fault = checkObject(kind, id, value, this.#context)
    if (fault !== undefined) return failure(fault)
    if (kind !== 'plugin_metadata') {
      const now = Math.floor(Date.now() / 1000)
      const created = (before?.value as { create_time?: unknown } | undefined)?.create_time
      value.create_time = given.create_time ?? created ?? now
      value.update_time = options.updateTime ?? now
    }
    const { expected } = options
    const stored = await this.#store({ kind, id, value } as unknown as ObjectChange, { ttl, expected })
    if ('status' in stored) return stored
    return {
      status: options.status ?? (before === undefined ? 201 : 200),
      body: {
        key: keyOf(kind, id),
        value: kind === 'ssls' ? withoutKeys(value) : value,
        ...(stored.lease === undefined ? {} : { lease_id: stored.lease }),
      },
    }
  }

  /** Durable first, visible second. */
  async #store(change: ObjectChange, options: CommitOptions): Promise<AdminAnswer | Committed> {
    try {
      return await this.#storage.commit(change, options)
    } catch (error) {
      if (error instanceof ReadOnlyError) return failure(error.message, 405)
      if (error instanceof ConflictError) return failure('value changed before overwritten', 503)
      return failure(error instanceof Error ? error.message : String(error), 503)
    }
  }
}

function noObject(body: unknown): AdminAnswer {
  if (body === undefined) return failure('missing configurations')
  return failure(`invalid configuration: wrong type: expected object, got ${typeName(body)}`)
}

/** The stamp somebody sent though they are the server's, also within `upstream` and `plugins`. */
function givenStamp(value: JsonObject): string | undefined {
  for (const [path, holder] of [
    ['', value],
    ['upstream.', value.upstream],
    ['plugins.', value.plugins],
  ] as const) {
    if (!isObject(holder)) continue
    const found = ['create_time', 'update_time'].find((name) => holder[name] !== undefined)
    if (found !== undefined) return path + found
  }
  return undefined
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
