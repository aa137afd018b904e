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
  /** `username` or `username/credentials/id`. */
  readonly owner: string
  readonly username: string
  readonly credential: string | undefined
  readonly conf: JsonObject
}

/** Consumers by authentication plugin and key; a lookup per request, rebuilt per consumer when it changes. */
export class AuthIndex {
  /**
   * Who has a key, the first being the one it lets in: nobody takes over another's identity by being configured later, but
   * consumers may exchange their keys.
   */
  readonly #byPlugin = new Map<string, Map<string, Holder[]>>()
  readonly #consumers = new Map<string, Consumer>()
  /** The keys of each owner. */
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
    this.#consumers.set(consumer.username, consumer)
    this.#hold(consumer.username, consumer.username, undefined, consumer.plugins)
  }

  delete(username: string): void {
    this.#hold(username, username, undefined, undefined)
    this.#consumers.delete(username)
  }

  /** `id` is `<username>/credentials/<id>`. */
  setCredential(id: string, credential: Credential): void {
    const [username = '', , own = ''] = id.split('/')
    this.#hold(id, username, own, credential.plugins)
  }

  deleteCredential(id: string): void {
    this.#hold(id, '', undefined, undefined)
  }

  #hold(owner: string, username: string, credential: string | undefined, plugins: Plugins | undefined): void {
    const before = this.#keys.get(owner) ?? []
    const keys: (readonly [string, string])[] = []
    for (const [plugin, written] of Object.entries(plugins ?? {})) {
      const conf = this.#resolved(written)
      if (conf === undefined) continue
      const key = this.#keyOf(plugin, conf)
      if (key === undefined) continue
      keys.push([plugin, key])
      this.#enter(plugin, key, { owner, username, credential, conf })
    }
    for (const [plugin, key] of before)
      if (!keys.some(([one, same]) => one === plugin && same === key)) this.#leave(plugin, key, owner)
    if (keys.length === 0) this.#keys.delete(owner)
    else this.#keys.set(owner, keys)
  }

  /** An owner that has the key keeps its place. */
  #enter(plugin: string, key: string, holder: Holder): void {
    const table = this.#byPlugin.get(plugin) ?? new Map<string, Holder[]>()
    this.#byPlugin.set(plugin, table)
    const holders = table.get(key) ?? []
    const place = holders.findIndex(({ owner }) => owner === holder.owner)
    if (place === -1) holders.push(holder)
    else holders[place] = holder
    table.set(key, holders)
  }

  #leave(plugin: string, key: string, owner: string): void {
    const table = this.#byPlugin.get(plugin)
    const others = table?.get(key)?.filter((holder) => holder.owner !== owner) ?? []
    if (others.length === 0) table?.delete(key)
    else table?.set(key, others)
  }

  find(plugin: string, key: string): AuthEntry | undefined {
    const holder = this.#byPlugin.get(plugin)?.get(key)?.[0]
    // A credential may come before its consumer, or outlive it for a moment.
    const consumer = holder === undefined ? undefined : this.#consumers.get(holder.username)
    if (holder === undefined || consumer === undefined) return undefined
    return { consumer, conf: holder.conf, credential: holder.credential }
  }

  consumer(username: string): Consumer | undefined {
    return this.#consumers.get(username)
  }
}
