import { type RedisAddress, RedisConnection, type RedisSettings } from './connection.ts'
import { RedisReplyError, type Reply } from './protocol.ts'
import { slotOf } from './slots.ts'

/** Runs scripts that touch one key (or keys of one hash tag). */
export interface RedisScripts {
  evaluate(script: string, key: string, args: readonly (string | number)[]): Promise<Reply>
}

/** A single server; connects when first needed and again after a failure. */
export class RedisServer implements RedisScripts {
  readonly #address: RedisAddress
  readonly #settings: RedisSettings
  #connection: RedisConnection | undefined

  constructor(address: RedisAddress, settings: RedisSettings) {
    this.#address = address
    this.#settings = settings
  }

  send(command: readonly (string | number)[]): Promise<Reply> {
    if (this.#connection === undefined || this.#connection.broken)
      this.#connection = new RedisConnection(this.#address, this.#settings)
    return this.#connection.send(command)
  }

  evaluate(script: string, key: string, args: readonly (string | number)[]): Promise<Reply> {
    return this.send(['EVAL', script, 1, key, ...args])
  }
}

const HOPS = 5

/** A Redis Cluster: keys go to the server of their slot, learned from MOVED and ASK answers (redis.io, cluster spec). */
export class RedisCluster implements RedisScripts {
  readonly #servers = new Map<string, RedisServer>()
  readonly #bySlot = new Map<number, string>()
  readonly #seeds: readonly string[]
  readonly #settings: RedisSettings
  #seed = 0

  constructor(seeds: readonly string[], settings: RedisSettings) {
    this.#seeds = seeds
    this.#settings = settings
  }

  #server(address: string): RedisServer {
    let server = this.#servers.get(address)
    if (server === undefined) {
      server = new RedisServer(parseAddress(address), this.#settings)
      this.#servers.set(address, server)
    }
    return server
  }

  async evaluate(script: string, key: string, args: readonly (string | number)[]): Promise<Reply> {
    const slot = slotOf(key)
    let address = this.#bySlot.get(slot) ?? this.#seedAddress()
    let asking = false
    for (let hop = 0; ; hop++) {
      const server = this.#server(address)
      try {
        if (asking) void server.send(['ASKING']).catch(() => {})
        return await server.evaluate(script, key, args)
      } catch (error) {
        if (hop === HOPS) throw error
        const [word, , next] = error instanceof RedisReplyError ? error.message.split(' ') : []
        asking = word === 'ASK'
        if (next !== undefined && (asking || word === 'MOVED')) {
          if (!asking) this.#bySlot.set(slot, next)
          address = next
        } else if (error instanceof RedisReplyError || hop >= this.#seeds.length) throw error
        else {
          // The server is gone: another one knows who took over.
          this.#bySlot.delete(slot)
          this.#seed++
          address = this.#seedAddress()
        }
      }
    }
  }

  #seedAddress(): string {
    return this.#seeds[this.#seed % this.#seeds.length] ?? ''
  }
}

/** The master that sentinels name; asked again after each failure. */
export class RedisSentinel implements RedisScripts {
  readonly #sentinels: readonly RedisServer[]
  readonly #name: string
  readonly #settings: RedisSettings
  #master: RedisServer | undefined

  constructor(
    sentinels: readonly RedisAddress[],
    name: string,
    settings: RedisSettings & { readonly sentinel: Pick<RedisSettings, 'username' | 'password'> },
  ) {
    const { sentinel } = settings
    const own = { ...settings, username: sentinel.username, password: sentinel.password, database: 0 }
    this.#sentinels = sentinels.map((address) => new RedisServer(address, own))
    this.#name = name
    this.#settings = settings
  }

  async evaluate(script: string, key: string, args: readonly (string | number)[]): Promise<Reply> {
    this.#master ??= await this.#find()
    try {
      return await this.#master.evaluate(script, key, args)
    } catch (error) {
      this.#master = undefined
      throw error
    }
  }

  async #find(): Promise<RedisServer> {
    let last: unknown
    for (const sentinel of this.#sentinels) {
      try {
        const reply = await sentinel.send(['SENTINEL', 'get-master-addr-by-name', this.#name])
        if (Array.isArray(reply)) {
          const [host, port] = reply as readonly Reply[]
          return new RedisServer({ host: String(host), port: Number(port) }, this.#settings)
        }
        last = new Error(`no sentinel knows a master named ${this.#name}`)
      } catch (error) {
        last = error
      }
    }
    throw last
  }
}

export function parseAddress(text: string): RedisAddress {
  const colon = text.lastIndexOf(':')
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '')
  return { host, port: Number(text.slice(colon + 1)) }
}
