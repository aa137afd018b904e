import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestContext } from '../../dataplane/context.ts'
import { NOT_NEGATIVE, POSITIVE } from '../amounts.ts'
import { PerRequest } from '../per-request.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'
import { checkRedis, POLICIES, REDIS_PROPERTIES, redisOf } from '../redis/settings.ts'
import { LocalConnections, RedisConnections } from './connections.ts'
import { type Limit, limitsOf } from './limits.ts'

interface Conf {
  readonly default_conn_delay: number
  readonly rejected_code: number
  readonly rejected_msg?: string
  readonly allow_degradation: boolean
  readonly key_ttl?: number
}

/** A request's place among those that run. */
interface Held {
  readonly keys: string[]
  /** Milliseconds it has to wait. */
  delay: number
}

/** Limits how many requests of a key run at once: beyond `conn` they wait, beyond `conn + burst` they are refused. */
export const limitConn: Plugin = {
  name: 'limit-conn',
  priority: 1003,
  schema: {
    type: 'object',
    properties: {
      conn: POSITIVE,
      burst: NOT_NEGATIVE,
      default_conn_delay: { type: 'number', exclusiveMinimum: 0 },
      only_use_default_delay: { type: 'boolean', default: false },
      key: { type: 'string', minLength: 1 },
      key_type: { type: 'string', enum: ['var', 'var_combination'], default: 'var' },
      rules: {
        type: 'array',
        items: {
          type: 'object',
          properties: { conn: POSITIVE, burst: NOT_NEGATIVE, key: { type: 'string' } },
          required: ['conn', 'burst', 'key'],
        },
      },
      policy: { type: 'string', enum: POLICIES, default: 'local' },
      key_ttl: { type: 'integer', minimum: 1 },
      ...REDIS_PROPERTIES,
      rejected_code: { type: 'integer', minimum: 200, maximum: 599, default: 503 },
      rejected_msg: { type: 'string', minLength: 1 },
      allow_degradation: { type: 'boolean', default: false },
    },
    oneOf: [
      { required: ['conn', 'burst', 'default_conn_delay', 'key'] },
      { required: ['default_conn_delay', 'rules'] },
    ],
  },
  encryptFields: ['redis_password'],
  check: checkRedis,
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const scope = `${environment.owner} ${JSON.stringify(conf)}`
    const redis = redisOf(conf)
    const local = new LocalConnections(environment.shared.within(`limit-conn ${scope}`))
    const shared = redis === undefined ? undefined : new RedisConnections(redis, scope, own.key_ttl ?? 3600)
    const limits = limitsOf(conf)
    const counted = new PerRequest<Held>()
    const holding = (context: RequestContext): Held => {
      const held = { keys: [], delay: 0 }
      counted.set(context, held)
      return held
    }
    /** False if it is one too many, which then was not counted. */
    const admit = (held: Held, { key, conn, burst }: Limit, running: number): boolean => {
      if (running > conn + burst) return false
      held.keys.push(key)
      const rounds = running <= conn ? 0 : Math.floor((running - 1) / conn)
      held.delay = Math.max(held.delay, rounds * own.default_conn_delay * 1000)
      return true
    }
    const refuse = (context: RequestContext): PluginAnswer => {
      release(context)
      const body = own.rejected_msg === undefined ? undefined : { error_msg: own.rejected_msg }
      return { status: own.rejected_code, body }
    }
    const proceed = (context: RequestContext, { delay }: Held): Promise<undefined> | undefined => {
      // The client may have gone while Redis was asked; its log phase is over then.
      if (context.exchange.ended) release(context)
      return delay === 0 ? undefined : sleep(delay, undefined)
    }
    const failed = (error: unknown): PluginAnswer | undefined => {
      const object = environment.owner
      environment.log.error({ plugin: 'limit-conn', object, err: error }, 'the counters cannot be reached')
      return own.allow_degradation ? undefined : { status: 500, body: { error_msg: 'failed to limit conn' } }
    }
    const release = (context: RequestContext): void => {
      const held = counted.get(context)
      if (held === undefined) return
      counted.delete(context)
      for (const key of held.keys) {
        if (shared === undefined) local.leave(key)
        else shared.leave(key).catch(failed)
      }
    }
    const askRedis = async (context: RequestContext, list: readonly Limit[], redis: RedisConnections) => {
      const held = holding(context)
      try {
        for (const limit of list) {
          const running = await redis.enter(limit.key, limit.conn + limit.burst)
          if (!admit(held, limit, running)) return refuse(context)
        }
      } catch (error) {
        release(context)
        return failed(error)
      }
      return proceed(context, held)
    }
    return {
      access(context) {
        const list = limits(context)
        if (list === undefined)
          return failed(
            new Error('no rule applies to this request, or its conn or burst is no number of connections'),
          )
        if (shared !== undefined) return askRedis(context, list, shared)
        const held = holding(context)
        for (const limit of list) {
          if (!admit(held, limit, local.enter(limit.key, limit.conn + limit.burst))) return refuse(context)
        }
        return proceed(context, held)
      },
      log: release,
    }
  },
}
