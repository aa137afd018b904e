import type { Consumer, JsonObject } from '../objects/index.ts'

export interface AuthEntry {
  readonly consumer: Consumer
  /** The consumer's configuration of the authentication plugin. */
  readonly conf: JsonObject
}

/** Consumers by authentication plugin and key; a lookup per request, rebuilt per consumer when it changes. */
export class AuthIndex {
  readonly #byPlugin = new Map<string, Map<string, AuthEntry>>()
  readonly #consumers = new Map<
    string,
    { readonly consumer: Consumer; readonly keys: readonly (readonly [string, string])[] }
  >()
  readonly #keyOf: (plugin: string, conf: JsonObject) => string | undefined

  constructor(keyOf: (plugin: string, conf: JsonObject) => string | undefined) {
    this.#keyOf = keyOf
  }

  set(consumer: Consumer): void {
    this.delete(consumer.username)
    const keys: (readonly [string, string])[] = []
    for (const [plugin, conf] of Object.entries(consumer.plugins ?? {})) {
      const key = this.#keyOf(plugin, conf)
      if (key === undefined) continue
      const table = this.#byPlugin.get(plugin) ?? new Map<string, AuthEntry>()
      this.#byPlugin.set(plugin, table)
      // Of two consumers with one key the first keeps it: nobody takes over another's identity by being configured later.
      if (table.has(key)) continue
      table.set(key, { consumer, conf })
      keys.push([plugin, key])
    }
    this.#consumers.set(consumer.username, { consumer, keys })
  }

  delete(username: string): void {
    const entry = this.#consumers.get(username)
    if (entry === undefined) return
    this.#consumers.delete(username)
    for (const [plugin, key] of entry.keys) this.#byPlugin.get(plugin)?.delete(key)
  }

  find(plugin: string, key: string): AuthEntry | undefined {
    return this.#byPlugin.get(plugin)?.get(key)
  }

  consumer(username: string): Consumer | undefined {
    return this.#consumers.get(username)?.consumer
  }
}
