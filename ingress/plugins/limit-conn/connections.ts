import { LANES, type RecordSpace, type SharedRecords } from '../../sharing/index.ts'
import type { RedisScripts } from '../redis/client.ts'

/** A record with running requests has no end: it is how those of a process that died are found. */
const RUNNING = Number.POSITIVE_INFINITY

/**
 * Requests running per key in the processes of this gateway. Each process counts in a lane of its own (the twelfth after it
 * shares one with it), so that what it held can be taken back should it die.
 */
export class LocalConnections {
  readonly #running: RecordSpace
  readonly #lane: number

  constructor(running: RecordSpace) {
    this.#running = running
    this.#lane = running.records.process % LANES
  }

  /** Counts one more unless that would exceed the limit; how many run then, or would. */
  enter(key: string, limit: number): number {
    return this.#running.update(key, (record) => {
      const { lanes } = record
      const running = lanes.reduce((sum, one) => sum + one, 0) + 1
      if (running <= limit) {
        lanes[this.#lane] = (lanes[this.#lane] ?? 0) + 1
        record.expiresAt = RUNNING
      }
      return running
    })
  }

  leave(key: string): void {
    this.#running.update(key, (record) => {
      const { lanes } = record
      lanes[this.#lane] = Math.max(0, (lanes[this.#lane] ?? 0) - 1)
      if (lanes.every((one) => one === 0)) record.expiresAt = 0
    })
  }
}

/** Takes back what a process held that has ended without giving it back. */
export function forgetConnections(records: SharedRecords, process: number): void {
  records.forEach((record) => {
    if (record.expiresAt === RUNNING) record.lanes[process % LANES] = 0
  })
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
