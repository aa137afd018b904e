import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject } from '../../objects/index.ts'
import { countingKey } from '../counting-key.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'
import { FixedWindows } from './fixed-windows.ts'

const NAMES = { limit: 'X-RateLimit-Limit', remaining: 'X-RateLimit-Remaining', reset: 'X-RateLimit-Reset' }

interface Conf {
  readonly count: number
  readonly time_window: number
  readonly key: string
  readonly key_type: 'var' | 'var_combination' | 'constant'
  readonly rejected_code: number
  readonly rejected_msg?: string
  readonly show_limit_quota_header: boolean
  readonly group?: string
}

/** Counts requests per key in fixed windows and refuses those beyond the quota. */
export const limitCount: Plugin = {
  name: 'limit-count',
  priority: 1002,
  schema: {
    type: 'object',
    properties: {
      count: { type: 'integer', exclusiveMinimum: 0 },
      time_window: { type: 'integer', exclusiveMinimum: 0 },
      window_type: { type: 'string', enum: ['fixed'], default: 'fixed' },
      group: { type: 'string', minLength: 1 },
      key: { type: 'string', minLength: 1, default: 'remote_addr' },
      key_type: { type: 'string', enum: ['var', 'var_combination', 'constant'], default: 'var' },
      rejected_code: { type: 'integer', minimum: 200, maximum: 599, default: 503 },
      rejected_msg: { type: 'string', minLength: 1 },
      policy: { type: 'string', enum: ['local'], default: 'local' },
      allow_degradation: { type: 'boolean', default: false },
      show_limit_quota_header: { type: 'boolean', default: true },
    },
    required: ['count', 'time_window'],
  },
  metadataSchema: {
    type: 'object',
    properties: {
      limit_header: { type: 'string' },
      remaining_header: { type: 'string' },
      reset_header: { type: 'string' },
    },
  },
  compile(conf: JsonObject, environment) {
    const own = conf as unknown as Conf
    let windows = environment.state.get('windows') as FixedWindows | undefined
    if (windows === undefined) {
      windows = new FixedWindows()
      environment.state.set('windows', windows)
    }
    const counted = windows
    // Editing the configuration starts new counters, as the owner's and the configuration's names are part of the key.
    const scope = own.group ?? `${environment.owner} ${JSON.stringify(conf)}`
    const quotas = new WeakMap<RequestContext, { remaining: number; reset: number }>()
    const names = () => {
      const metadata = environment.metadata()
      return {
        limit: String(metadata.limit_header ?? NAMES.limit),
        remaining: String(metadata.remaining_header ?? NAMES.remaining),
        reset: String(metadata.reset_header ?? NAMES.reset),
      }
    }
    const headers = (quota: { remaining: number; reset: number }): Record<string, string> => {
      const { limit, remaining, reset } = names()
      return {
        [limit]: String(own.count),
        [remaining]: String(quota.remaining),
        [reset]: String(Math.ceil(quota.reset / 1000)),
      }
    }
    return {
      access(context): PluginAnswer | undefined {
        const used = counted.count(`${scope} ${countingKey(own, context)}`, own.time_window * 1000)
        const quota = { remaining: Math.max(0, own.count - used.count), reset: used.resetMs }
        if (used.count <= own.count) {
          if (own.show_limit_quota_header) quotas.set(context, quota)
          return undefined
        }
        return {
          status: own.rejected_code,
          body: own.rejected_msg === undefined ? undefined : { error_msg: own.rejected_msg },
          headers: own.show_limit_quota_header ? headers(quota) : {},
        }
      },
      headerFilter(context, response) {
        const quota = quotas.get(context)
        if (quota === undefined) return
        for (const [name, value] of Object.entries(headers(quota))) response.headers.set(name, value)
      },
    }
  },
}
