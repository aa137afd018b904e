import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestContext } from '../../dataplane/context.ts'
import { countingKey, type KeyConf } from '../counting-key.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'
import { checkRedis, POLICIES, REDIS_PROPERTIES, redisOf } from '../redis/settings.ts'
import { LocalConnections, RedisConnections } from './connections.ts'

interface Conf extends KeyConf {
  readonly conn: number
  readonly burst: number
  readonly default_conn_delay: number
  readonly rejected_code: number
  readonly rejected_msg?: string
  readonly allow_degradation: boolean
  readonly key_ttl?: number
}

/** Limits how many requests of a key run at once: beyond `conn` they wait, beyond `conn + burst` they are refused. */
export const limitConn: Plugin = {
  name: 'limit-conn',
  priority: 1003,
  schema: {
    type: 'object',
    properties: {
      conn: { type: 'integer', exclusiveMinimum: 0 },
      burst: { type: 'integer', minimum: 0 },
      default_conn_delay: { type: 'number', exclusiveMinimum: 0 },
      only_use_default_delay: { type: 'boolean', default: false },
      key: { type: 'string', minLength: 1 },
      key_type: { type: 'string', enum: ['var', 'var_combination'], default: 'var' },
      policy: { type: 'string', enum: POLICIES, default: 'local' },
      key_ttl: { type: 'integer', minimum: 1 },
      ...REDIS_PROPERTIES,
      rejected_code: { type: 'integer', minimum: 200, maximum: 599, default: 503 },
      rejected_msg: { type: 'string', minLength: 1 },
      allow_degradation: { type: 'boolean', default: false },
    },
    required: ['conn', 'burst', 'default_conn_delay', 'key'],
  },
  encryptFields: ['redis_password'],
  check: checkRedis,
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const scope = `${environment.owner} ${JSON.stringify(conf)}`
    const redis = redisOf(conf)
    const local = new LocalConnections(environment.shared.within(`limit-conn ${scope}`))
    const shared = redis === undefined ? undefined : new RedisConnections(redis, scope, own.key_ttl ?? 3600)
    const limit = own.conn + own.burst
    const counted = new WeakMap<RequestContext, string>()
    const decide = (
      context: RequestContext,
      key: string,
      running: number,
    ): PluginAnswer | Promise<undefined> | undefined => {
      if (running > limit) {
        const body = own.rejected_msg === undefined ? undefined : { error_msg: own.rejected_msg }
        return { status: own.rejected_code, body }
      }
      counted.set(context, key)
      // The client may have gone while Redis was asked; its log phase is over then.
      if (context.exchange.ended) release(context)
      if (running <= own.conn) return undefined
      const rounds = Math.floor((running - 1) / own.conn)
      return sleep(rounds * own.default_conn_delay * 1000, undefined)
    }
    const failed = (error: unknown): PluginAnswer | undefined => {
      const object = environment.owner
      environment.log.error({ plugin: 'limit-conn', object, err: error }, 'the counters cannot be reached')
      return own.allow_degradation ? undefined : { status: 500, body: { error_msg: 'failed to limit conn' } }
    }
    const release = (context: RequestContext): void => {
      const key = counted.get(context)
      if (key === undefined) return
      counted.delete(context)
      if (shared === undefined) local.leave(key)
      else shared.leave(key).catch(failed)
    }
    return {
      access(context) {
        const key = countingKey(own, context)
        if (shared === undefined) return decide(context, key, local.enter(key, limit))
        return shared.enter(key, limit).then((running) => decide(context, key, running), failed)
      },
      log: release,
    }
  },
}
