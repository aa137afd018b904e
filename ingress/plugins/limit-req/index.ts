import { setTimeout as sleep } from 'node:timers/promises'
import { countingKey, type KeyConf } from '../counting-key.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'
import { checkRedis, POLICIES, REDIS_PROPERTIES, redisOf } from '../redis/settings.ts'
import { LeakyBuckets } from './leaky-bucket.ts'
import { takeFromRedis } from './redis-bucket.ts'

interface Conf extends KeyConf {
  readonly rate: number
  readonly burst: number
  readonly rejected_code: number
  readonly rejected_msg?: string
  readonly nodelay: boolean
  readonly allow_degradation: boolean
}

/** Smooths requests to a rate: what exceeds it waits, what exceeds rate and burst is refused. */
export const limitReq: Plugin = {
  name: 'limit-req',
  priority: 1001,
  schema: {
    type: 'object',
    properties: {
      rate: { type: 'number', exclusiveMinimum: 0 },
      burst: { type: 'number', minimum: 0 },
      key: { type: 'string', minLength: 1 },
      key_type: { type: 'string', enum: ['var', 'var_combination'], default: 'var' },
      policy: { type: 'string', enum: POLICIES, default: 'local' },
      ...REDIS_PROPERTIES,
      rejected_code: { type: 'integer', minimum: 200, maximum: 599, default: 503 },
      rejected_msg: { type: 'string', minLength: 1 },
      nodelay: { type: 'boolean', default: false },
      allow_degradation: { type: 'boolean', default: false },
    },
    required: ['rate', 'burst', 'key'],
  },
  encryptFields: ['redis_password'],
  check: checkRedis,
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const scope = `${environment.owner} ${JSON.stringify(conf)}`
    const buckets = new LeakyBuckets(environment.shared.within(`limit-req ${scope}`))
    const redis = redisOf(conf)
    const decide = (wait: number | undefined): PluginAnswer | Promise<undefined> | undefined => {
      if (wait === undefined) {
        const body = own.rejected_msg === undefined ? undefined : { error_msg: own.rejected_msg }
        return { status: own.rejected_code, body }
      }
      return wait < 1 || own.nodelay ? undefined : sleep(wait, undefined)
    }
    const failed = (error: unknown): PluginAnswer | undefined => {
      const object = environment.owner
      environment.log.error({ plugin: 'limit-req', object, err: error }, 'the buckets cannot be reached')
      return own.allow_degradation ? undefined : { status: 500, body: { error_msg: 'failed to limit req' } }
    }
    return {
      access(context) {
        const key = countingKey(own, context)
        if (redis === undefined) return decide(buckets.take(key, own.rate, own.burst))
        return takeFromRedis(redis, `${scope} ${key}`, own.rate, own.burst).then(decide, failed)
      },
    }
  },
}
