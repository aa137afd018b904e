import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import type { EtcdConfig } from '../../config/gateway-config.ts'
import { type CheckContext, checkObject } from '../../objects/check.ts'
import { isObject, type JsonObject, KINDS, type Kind, type ObjectChange } from '../../objects/index.ts'
import { type CommitOptions, type Committed, ConflictError, type ObjectStorage } from '../object-storage.ts'
import { parsePath, pathOf } from '../paths.ts'
import type { ValueCodec } from '../storage.ts'
import { decode, EtcdClient, EtcdError, encode, rangeEnd } from './client.ts'

export interface EtcdStorageOptions extends CheckContext {
  readonly config: EtcdConfig
  readonly codec: ValueCodec
  /** Where the last state seen is kept, to begin with when etcd is away. */
  readonly directory: string | undefined
  readonly log: Logger
}

interface KeyValue {
  readonly key: string
  readonly value?: string
  readonly create_revision: string
  readonly mod_revision: string
}

interface Seen {
  readonly kind: Kind
  readonly id: string
  readonly revision: number
  readonly entry: { readonly value: JsonObject; readonly created: number } | undefined
}

const RETRY_MS = 1000
const SEEN_WITHIN_MS = 10_000
const SAVE_AFTER_MS = 1000

/**
 * Objects in etcd under APISIX's own keys (`/apisix/routes/1` ...), shared by several gateways and with APISIX itself. What is
 * read back decides: a write is answered when the watch has brought it.
 */
export class EtcdStorage implements ObjectStorage {
  readonly #options: EtcdStorageOptions
  readonly #client: EtcdClient
  readonly #prefix: string
  readonly #waiting = new Set<{ readonly revision: number; resolve(): void }>()
  #revision = 0
  #stopWatch: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #saving: NodeJS.Timeout | undefined
  #closed = false
  /** undefined while etcd is followed. */
  problem: string | undefined = 'not connected yet'

  constructor(options: EtcdStorageOptions) {
    this.#options = options
    this.#client = new EtcdClient(options.config)
    this.#prefix = `${options.config.prefix.replace(/\/$/, '')}/`
  }

  /** Reads everything and follows it from there. With a saved state, an etcd that is away is no reason not to start. */
  async start(): Promise<void> {
    try {
      await this.#load()
    } catch (error) {
      if (!this.#restore()) throw error
      this.#lost(error)
    }
  }

  async #load(): Promise<void> {
    const key = encode(this.#prefix)
    const answer = await this.#client.call('/v3/kv/range', { key, range_end: rangeEnd(this.#prefix) })
    const revision = Number((answer.header as { revision: string }).revision)
    const there = new Set<string>()
    const changes: Seen[] = []
    for (const kv of (answer.kvs ?? []) as KeyValue[]) {
      const name = this.#nameOf(kv.key)
      if (name === undefined) continue
      there.add(`${name.kind}/${name.id}`)
      const seen = this.#read(name, kv)
      if (seen !== undefined) changes.push(seen)
    }
    const { catalogue } = this.#options
    for (const kind of KINDS) {
      for (const { id, origin } of catalogue.entries(kind)) {
        if (origin === 'admin' && !there.has(`${kind}/${id}`))
          changes.push({ kind, id, revision, entry: undefined })
      }
    }
    catalogue.adopt(changes)
    this.#revision = revision
    this.#follow()
  }

  #nameOf(key: string): { readonly kind: Kind; readonly id: string } | undefined {
    const found = parsePath(decode(key).slice(this.#prefix.length))
    return found?.id === undefined ? undefined : { kind: found.kind, id: found.id }
  }

  /** The object as it is written there, checked; undefined (and a line in the log) if it cannot be used: the last good stays. */
  #read(name: { readonly kind: Kind; readonly id: string }, kv: KeyValue): Seen | undefined {
    const text = decode(kv.value ?? '')
    // APISIX makes such entries for "directories".
    if (text === 'init_dir' || text === '') return undefined
    const object = pathOf(name.kind, name.id)
    try {
      const stored: unknown = JSON.parse(text)
      if (!isObject(stored)) throw new Error('is not a JSON object')
      const value = this.#options.codec.decode(name.kind, stored)
      const fault = checkObject(name.kind, name.id, value, this.#options, { references: 'unchecked' })
      if (fault !== undefined) throw new Error(fault)
      const entry = { value, created: Number(kv.create_revision) }
      return { ...name, revision: Number(kv.mod_revision), entry }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#options.log.error({ object, reason }, 'an object in etcd cannot be used')
      return undefined
    }
  }

  #follow(): void {
    if (this.#closed) return
    const body = {
      key: encode(this.#prefix),
      range_end: rangeEnd(this.#prefix),
      start_revision: String(this.#revision + 1),
      progress_notify: true,
    }
    this.#stopWatch = this.#client.watch(body, {
      onMessage: (message) => this.#onMessage(message),
      onEnd: (error) => this.#lost(error ?? new Error('the watch ended')),
    })
  }

  #onMessage(message: JsonObject): void {
    const result = isObject(message.result) ? message.result : {}
    if (result.created === true) {
      if (this.problem !== undefined) this.#options.log.info({ etcd: this.#client.address }, 'following etcd')
      this.problem = undefined
    }
    if (message.error !== undefined || result.canceled === true) {
      // Compacted, or the token has ended: read everything again.
      this.#stopWatch?.()
      this.#lost(new Error(JSON.stringify(message.error ?? result.cancel_reason ?? 'canceled')))
      return
    }
    const changes: Seen[] = []
    for (const event of (result.events ?? []) as { type?: string; kv: KeyValue }[]) {
      const name = this.#nameOf(event.kv.key)
      if (name === undefined) continue
      const revision = Number(event.kv.mod_revision)
      const gone = event.type === 'DELETE'
      const seen = gone ? { ...name, revision, entry: undefined } : this.#read(name, event.kv)
      if (seen !== undefined) changes.push(seen)
    }
    this.#options.catalogue.adopt(changes)
    const revision = Number((result.header as { revision?: string } | undefined)?.revision ?? 0)
    this.#revision = Math.max(this.#revision, revision)
    for (const waiting of this.#waiting) {
      if (waiting.revision > this.#revision) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
    if (changes.length > 0) this.#saveLater()
  }

  #lost(error: unknown): void {
    if (this.#closed || this.#timer !== undefined) return
    const reason = error instanceof Error ? error.message : String(error)
    if (this.problem === undefined || this.problem === 'not connected yet')
      this.#options.log.warn({ reason }, 'etcd is not followed, serving what is known')
    this.problem = reason
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (!this.#closed) this.#load().catch((next: unknown) => this.#lost(next))
    }, RETRY_MS).unref()
  }

  async commit(change: ObjectChange, options: CommitOptions = {}): Promise<Committed> {
    const key = encode(this.#prefix + pathOf(change.kind, change.id))
    const { ttl, expected } = options
    const granted =
      ttl === undefined ? undefined : await this.#client.call('/v3/lease/grant', { TTL: Math.ceil(ttl) })
    const lease = granted === undefined ? undefined : String(granted.ID)
    const value = change.value as JsonObject | undefined
    const operation =
      value === undefined
        ? { request_delete_range: { key } }
        : {
            request_put: {
              key,
              value: encode(JSON.stringify(this.#options.codec.encode(change.kind, value))),
              ...(lease === undefined ? {} : { lease }),
            },
          }
    const compare =
      expected === undefined ? [] : [{ key, target: 'MOD', result: 'EQUAL', mod_revision: String(expected) }]
    const answer = await this.#client.call('/v3/kv/txn', { compare, success: [operation] })
    if (answer.succeeded !== true)
      throw new ConflictError(`${change.kind}/${change.id} was changed in between`)
    await this.#seen(Number((answer.header as { revision: string }).revision))
    return { lease }
  }

  #seen(revision: number): Promise<void> {
    if (this.#revision >= revision) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const waiting = { revision, resolve: () => done() }
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting)
        reject(new EtcdError('the change is written, but was not seen in time', 0))
      }, SEEN_WITHIN_MS)
      const done = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#waiting.add(waiting)
    })
  }

  get #file(): string | undefined {
    const { directory } = this.#options
    return directory === undefined ? undefined : path.join(directory, 'etcd-state.json')
  }

  #saveLater(): void {
    if (this.#file !== undefined) this.#saving ??= setTimeout(() => this.#save(), SAVE_AFTER_MS).unref()
  }

  #save(): void {
    this.#saving = undefined
    const file = this.#file
    if (file === undefined) return
    const { catalogue, codec, log } = this.#options
    const kept = KINDS.flatMap((kind) =>
      catalogue
        .list(kind)
        .filter(({ origin }) => origin === 'admin')
        .map(({ id, value, createdIndex, modifiedIndex }) => ({
          kind,
          id,
          revision: modifiedIndex,
          entry: { value: codec.encode(kind, value as unknown as JsonObject), created: createdIndex },
        })),
    )
    try {
      writeFileSync(`${file}.new`, JSON.stringify(kept), { mode: 0o600 })
      renameSync(`${file}.new`, file)
    } catch (error) {
      log.warn({ file, err: error }, 'the state of etcd is not saved')
    }
  }

  #restore(): boolean {
    if (this.#file === undefined) return false
    try {
      const kept = JSON.parse(readFileSync(this.#file, 'utf8')) as Seen[]
      const { catalogue, codec } = this.#options
      catalogue.adopt(
        kept.map(({ entry, ...rest }) => ({
          ...rest,
          entry: entry === undefined ? undefined : { ...entry, value: codec.decode(rest.kind, entry.value) },
        })),
      )
      return true
    } catch {
      return false
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    if (this.#saving !== undefined) {
      clearTimeout(this.#saving)
      this.#save()
    }
    this.#stopWatch?.()
    this.#client.close()
  }
}
