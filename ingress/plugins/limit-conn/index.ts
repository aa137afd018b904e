import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestContext } from '../../dataplane/context.ts'
import { countingKey, type KeyConf } from '../counting-key.ts'
import type { Plugin } from '../plugin.ts'

interface Conf extends KeyConf {
  readonly conn: number
  readonly burst: number
  readonly default_conn_delay: number
  readonly rejected_code: number
  readonly rejected_msg?: string
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
      policy: { type: 'string', enum: ['local'], default: 'local' },
      rejected_code: { type: 'integer', minimum: 200, maximum: 599, default: 503 },
      rejected_msg: { type: 'string', minLength: 1 },
      allow_degradation: { type: 'boolean', default: false },
    },
    required: ['conn', 'burst', 'default_conn_delay', 'key'],
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const scope = `${environment.owner} ${JSON.stringify(conf)}`
    const running = (environment.state.get(scope) as Map<string, number> | undefined) ?? new Map()
    environment.state.set(scope, running)
    const counted = new WeakMap<RequestContext, string>()
    return {
      access(context) {
        const key = countingKey(own, context)
        const now = (running.get(key) ?? 0) + 1
        if (now > own.conn + own.burst) {
          const body = own.rejected_msg === undefined ? undefined : { error_msg: own.rejected_msg }
          return { status: own.rejected_code, body }
        }
        running.set(key, now)
        counted.set(context, key)
        if (now <= own.conn) return undefined
        const rounds = Math.floor((now - 1) / own.conn)
        return sleep(rounds * own.default_conn_delay * 1000, undefined)
      },
      log(context) {
        const key = counted.get(context)
        if (key === undefined) return
        const left = (running.get(key) ?? 1) - 1
        if (left === 0) running.delete(key)
        else running.set(key, left)
      },
    }
  },
}
