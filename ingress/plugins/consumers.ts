import type { Consumer, Credential, JsonObject, Plugins } from '../objects/index.ts'
import { resolveReferences } from './references.ts'

export interface AuthEntry {
  readonly consumer: Consumer
  /** The consumer's configuration of the authentication plugin. */
  readonly conf: JsonObject
  /** Id of the credential it stands in, if it is not the consumer's own. */
  readonly credential?: string | undefined
}

interface Holder {
  readonly username: string
  readonly credential: string | undefined
  readonly conf: JsonObject
}

/** Consumers by authentication plugin and key; a lookup per request, rebuilt per consumer when it changes. */
export class AuthIndex {
  readonly #byPlugin = new Map<string, Map<string, Holder>>()
  readonly #consumers = new Map<string, Consumer>()
  /** By `username` or `username/credentials/id`: the keys it holds. */
  readonly #keys = new Map<string, readonly (readonly [plugin: string, key: string])[]>()
  readonly #keyOf: (plugin: string, conf: JsonObject) => string | undefined

  readonly #secret: (reference: string) => string

  /** `secret` gives the value of a `$secret://` reference. */
  constructor(
    keyOf: (plugin: string, conf: JsonObject) => string | undefined,
    secret: (reference: string) => string,
  ) {
    this.#keyOf = keyOf
    this.#secret = secret
  }

  /** With references resolved; undefined if one leads nowhere: then nobody gets in by it. */
  #resolved(conf: JsonObject): JsonObject | undefined {
    try {
      return resolveReferences(conf, this.#secret)
    } catch {
      return undefined
    }
  }

  set(consumer: Consumer): void {
    this.#release(consumer.username)
    this.#consumers.set(consumer.username, consumer)
    this.#hold(consumer.username, consumer.username, undefined, consumer.plugins)
  }

  delete(username: string): void {
    this.#release(username)
    this.#consumers.delete(username)
  }

  /** `id` is `<username>/credentials/<id>`. */
  setCredential(id: string, credential: Credential): void {
    const [username = '', , own = ''] = id.split('/')
    this.#release(id)
    this.#hold(id, username, own, credential.plugins)
  }

  deleteCredential(id: string): void {
    this.#release(id)
  }

  #hold(owner: string, username: string, credential: string | undefined, plugins: Plugins | undefined): void {
    const keys: (readonly [string, string])[] = []
    for (const [plugin, written] of Object.entries(plugins ?? {})) {
      const conf = this.#resolved(written)
      if (conf === undefined) continue
      const key = this.#keyOf(plugin, conf)
      if (key === undefined) continue
      const table = this.#byPlugin.get(plugin) ?? new Map<string, Holder>()
      this.#byPlugin.set(plugin, table)
      // Of two consumers with one key the first keeps it: nobody takes over another's identity by being configured later.
      if (table.has(key)) continue
      table.set(key, { username, credential, conf })
      keys.push([plugin, key])
    }
    this.#keys.set(owner, keys)
  }

  #release(owner: string): void {
    for (const [plugin, key] of this.#keys.get(owner) ?? []) this.#byPlugin.get(plugin)?.delete(key)
    this.#keys.delete(owner)
  }

  find(plugin: string, key: string): AuthEntry | undefined {
    const holder = this.#byPlugin.get(plugin)?.get(key)
    // A credential may come before its consumer, or outlive it for a moment.
    const consumer = holder === undefined ? undefined : this.#consumers.get(holder.username)
    if (holder === undefined || consumer === undefined) return undefined
    return { consumer, conf: holder.conf, credential: holder.credential }
  }

  consumer(username: string): Consumer | undefined {
    return this.#consumers.get(username)
  }
}
