import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject } from '../../objects/index.ts'
import { POSITIVE } from '../amounts.ts'
import type { Plugin, PluginAnswer, PluginEnvironment } from '../plugin.ts'
import { checkRedis, POLICIES, REDIS_PROPERTIES, redisOf } from '../redis/settings.ts'
import type { Counter, Usage } from './counter.ts'
import { FixedWindows } from './fixed-windows.ts'
import { checkQuotas, type Quota, quotasOf } from './quotas.ts'
import { RedisWindows } from './redis-windows.ts'
import { SlidingWindows } from './sliding-windows.ts'

interface Conf {
  readonly window_type: 'fixed' | 'sliding'
  readonly rejected_code: number
  readonly rejected_msg?: string
  readonly show_limit_quota_header: boolean
  readonly allow_degradation: boolean
  readonly group?: string
}

function counterOf(conf: JsonObject, scope: string, environment: PluginEnvironment): Counter {
  const kind = conf.window_type === 'sliding' ? 'sliding' : 'fixed'
  const redis = redisOf(conf)
  if (redis !== undefined) return new RedisWindows(redis, scope, kind)
  const windows = environment.shared.within(`limit-count ${kind} ${scope}`)
  return kind === 'sliding' ? new SlidingWindows(windows) : new FixedWindows(windows)
}

/** Names of the three header fields, with the prefix of a rule. */
function headerNames(metadata: JsonObject, prefix: string) {
  const name = (configured: unknown, last: string) => {
    const base = String(configured ?? `X-RateLimit-${last}`)
    return prefix === '' ? base : base.replace('RateLimit-', () => `${prefix}-RateLimit-`)
  }
  return {
    metadata,
    prefix,
    limit: name(metadata.limit_header, 'Limit'),
    remaining: name(metadata.remaining_header, 'Remaining'),
    reset: name(metadata.reset_header, 'Reset'),
  }
}

/** Counts requests per key in windows and refuses those beyond the quota. */
export const limitCount: Plugin = {
  name: 'limit-count',
  priority: 1002,
  encryptFields: ['redis_password', 'sentinel_password'],
  schema: {
    type: 'object',
    properties: {
      count: POSITIVE,
      time_window: POSITIVE,
      rules: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            count: POSITIVE,
            time_window: POSITIVE,
            key: { type: 'string' },
            header_prefix: { type: 'string', pattern: '^[0-9A-Za-z-]+$' },
          },
          required: ['count', 'time_window', 'key'],
        },
      },
      window_type: { type: 'string', enum: ['fixed', 'sliding'], default: 'fixed' },
      group: { type: 'string', minLength: 1 },
      key: { type: 'string', minLength: 1, default: 'remote_addr' },
      key_type: { type: 'string', enum: ['var', 'var_combination', 'constant'], default: 'var' },
      rejected_code: { type: 'integer', minimum: 200, maximum: 599, default: 503 },
      rejected_msg: { type: 'string', minLength: 1 },
      policy: { type: 'string', enum: POLICIES, default: 'local' },
      allow_degradation: { type: 'boolean', default: false },
      show_limit_quota_header: { type: 'boolean', default: true },
      ...REDIS_PROPERTIES,
    },
  },
  metadataSchema: {
    type: 'object',
    properties: {
      limit_header: { type: 'string', default: 'X-RateLimit-Limit' },
      remaining_header: { type: 'string', default: 'X-RateLimit-Remaining' },
      reset_header: { type: 'string', default: 'X-RateLimit-Reset' },
    },
  },
  check: (conf) => checkQuotas(conf) ?? checkRedis(conf),
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const quotas = quotasOf(conf)
    // Editing the configuration starts new counters, as the owner's and the configuration's names are part of the key.
    const scope = own.group ?? `${environment.owner} ${JSON.stringify(conf)}`
    const counter = counterOf(conf, scope, environment)
    let names: ReturnType<typeof headerNames> | undefined

    const tell = (context: RequestContext, { prefix, count }: Quota, usage: Usage): void => {
      const metadata = environment.metadata()
      if (names?.metadata !== metadata || names.prefix !== prefix) names = headerNames(metadata, prefix)
      context.responseFields ??= []
      const fields = context.responseFields
      fields.push(names.limit, String(count))
      fields.push(names.remaining, String(Math.max(0, Math.floor(count - usage.count))))
      fields.push(names.reset, String(Math.max(0, Math.ceil(usage.resetMs / 1000))))
    }
    const judge = (context: RequestContext, quota: Quota, usage: Usage): PluginAnswer | undefined => {
      if (own.show_limit_quota_header) tell(context, quota, usage)
      if (usage.count <= quota.count) return undefined
      const body = own.rejected_msg === undefined ? undefined : { error_msg: own.rejected_msg }
      return { status: own.rejected_code, body }
    }
    const failed = (error: unknown): PluginAnswer | undefined => {
      const object = environment.owner
      environment.log.error({ plugin: 'limit-count', object, err: error }, 'the counters cannot be reached')
      return own.allow_degradation ? undefined : { status: 500, body: { error_msg: 'failed to limit count' } }
    }
    const wait = async (
      context: RequestContext,
      list: readonly Quota[],
      from: number,
      first: Promise<Usage>,
    ): Promise<PluginAnswer | undefined> => {
      try {
        let usage = await first
        for (let index = from; ; index++) {
          const answer = judge(context, list[index] as Quota, usage)
          const next = list[index + 1]
          if (answer !== undefined || next === undefined) return answer
          usage = await counter.count(next.key, next.windowMs, next.count)
        }
      } catch (error) {
        return failed(error)
      }
    }
    return {
      access(context) {
        const list = quotas(context)
        if (list === undefined)
          return failed(
            new Error('no rule applies to this request, or its count or time_window is no positive number'),
          )
        for (let index = 0; index < list.length; index++) {
          const quota = list[index] as Quota
          const usage = counter.count(quota.key, quota.windowMs, quota.count)
          if (usage instanceof Promise) return wait(context, list, index, usage)
          const answer = judge(context, quota, usage)
          if (answer !== undefined) return answer
        }
        return undefined
      },
    }
  },
}
