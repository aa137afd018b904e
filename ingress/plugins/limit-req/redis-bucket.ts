import type { RedisScripts } from '../redis/client.ts'

// As LeakyBuckets, on the server's clock. Answers the milliseconds to wait, -1 for a refusal.
const TAKE = `
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local had = redis.call('HMGET', KEYS[1], 'e', 'a')
local excess = 0
if had[1] then excess = math.max(0, tonumber(had[1]) - (now - tonumber(had[2])) * rate / 1000 + 1) end
if excess > burst then return '-1' end
redis.call('HSET', KEYS[1], 'e', tostring(excess), 'a', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((excess + 1) * 1000 / rate) + 1000)
return tostring(excess * 1000 / rate)`

/** Milliseconds the request has to wait; undefined if it is one too many. Rejects if Redis does not answer. */
export async function takeFromRedis(
  redis: RedisScripts,
  key: string,
  rate: number,
  burst: number,
): Promise<number | undefined> {
  const wait = Number(await redis.evaluate(TAKE, `plugin-limit-req${key}`, [rate, burst]))
  return wait < 0 ? undefined : wait
}
