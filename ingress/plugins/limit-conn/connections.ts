import type { RedisScripts } from '../redis/client.ts'

/** Requests running per key in this process. */
export class LocalConnections {
  readonly #running = new Map<string, number>()

  /** Counts one more unless that would exceed the limit; how many run then, or would. */
  enter(key: string, limit: number): number {
    const running = (this.#running.get(key) ?? 0) + 1
    if (running <= limit) this.#running.set(key, running)
    return running
  }

  leave(key: string): void {
    const left = (this.#running.get(key) ?? 1) - 1
    if (left === 0) this.#running.delete(key)
    else this.#running.set(key, left)
  }
}

const ENTER = `
local n = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
if n > tonumber(ARGV[1]) then redis.call('DECR', KEYS[1]) end
return n`
const LEAVE = `
local n = redis.call('DECR', KEYS[1])
if n <= 0 then redis.call('DEL', KEYS[1]) end
return n`

/** As LocalConnections, for several gateways. A counter that nobody touches for `ttl` seconds is forgotten: so is what a gateway that died held. */
export class RedisConnections {
  readonly #redis: RedisScripts
  readonly #scope: string
  readonly #ttl: number

  constructor(redis: RedisScripts, scope: string, ttl: number) {
    this.#redis = redis
    this.#scope = scope
    this.#ttl = ttl
  }

  async enter(key: string, limit: number): Promise<number> {
    return Number(await this.#redis.evaluate(ENTER, this.#key(key), [limit, this.#ttl]))
  }

  async leave(key: string): Promise<void> {
    await this.#redis.evaluate(LEAVE, this.#key(key), [])
  }

  #key(key: string): string {
    return `plugin-limit-conn${this.#scope} ${key}`
  }
}
