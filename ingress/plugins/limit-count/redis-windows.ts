import type { RedisScripts } from '../redis/client.ts'
import type { Counter, Usage } from './counter.ts'

const FIXED = `
local n = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) left = tonumber(ARGV[1]) end
return {n, left}`

// One hash per key: w is the number of the window, c and p the counters of it and of the one before. The server's clock
// decides, so that gateways whose clocks differ count in the same windows.
const SLIDING = `
local size, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local window = math.floor(now / size)
local had = redis.call('HMGET', KEYS[1], 'w', 'c', 'p')
local w, c, p = tonumber(had[1]), tonumber(had[2]) or 0, tonumber(had[3]) or 0
if w ~= window then
  if w == window - 1 then p = c else p = 0 end
  c = 0
end
local into = now - window * size
local n = p * (1 - into / size) + c + 1
if n <= limit then c = c + 1 end
redis.call('HSET', KEYS[1], 'w', window, 'c', c, 'p', p)
redis.call('PEXPIRE', KEYS[1], size * 2)
return {tostring(n), size - into}`

/** Windows kept in Redis, for several gateways together. Rejects if Redis does not answer. */
export class RedisWindows implements Counter {
  readonly #redis: RedisScripts
  readonly #scope: string
  readonly #script: string

  constructor(redis: RedisScripts, scope: string, kind: 'fixed' | 'sliding') {
    this.#redis = redis
    this.#scope = scope
    this.#script = kind === 'fixed' ? FIXED : SLIDING
  }

  async count(key: string, windowMs: number, limit: number): Promise<Usage> {
    const reply = await this.#redis.evaluate(this.#script, `plugin-limit-count${this.#scope} ${key}`, [
      windowMs,
      limit,
    ])
    const [count, resetMs] = Array.isArray(reply) ? reply : []
    return { count: Number(count), resetMs: Number(resetMs) }
  }
}
