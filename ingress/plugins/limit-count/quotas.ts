import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject } from '../../objects/index.ts'
import { type Amount, amountFault, amountOf } from '../amounts.ts'
import { countingKey, type KeyConf } from '../counting-key.ts'

/** A quota for one request: how many per window under which key. */
export interface Quota {
  readonly key: string
  readonly count: number
  readonly windowMs: number
  /** Put before RateLimit in the names of the header fields; '' without rules. */
  readonly prefix: string
}

interface Rule {
  readonly count: Amount
  readonly time_window: Amount
  readonly key: string
  readonly header_prefix?: string
}

/** The quotas of a configuration: one, or one per rule whose key has a value in this request. */
export function quotasOf(conf: JsonObject): (context: RequestContext) => Quota[] | undefined {
  const { rules } = conf as { rules?: readonly Rule[] }
  if (rules === undefined) {
    const { count, time_window } = conf as { count: Amount; time_window: Amount }
    const keyed = conf as unknown as KeyConf
    return (context) => {
      const [limit, seconds] = [amountOf(count, context, 1), amountOf(time_window, context, 1)]
      if (limit === undefined || seconds === undefined) return undefined
      return [{ key: countingKey(keyed, context), count: limit, windowMs: seconds * 1000, prefix: '' }]
    }
  }
  return (context) =>
    rules.flatMap((rule, index) => {
      const key = context.expand(rule.key)
      const [limit, seconds] = [amountOf(rule.count, context, 1), amountOf(rule.time_window, context, 1)]
      if (key.trim() === '' || limit === undefined || seconds === undefined) return []
      const prefix = rule.header_prefix ?? String(index + 1)
      return [{ key: `${index} ${key}`, count: limit, windowMs: seconds * 1000, prefix }]
    })
}

/** Faults of a configuration that its schema does not see. */
export function checkQuotas(conf: JsonObject): string | undefined {
  const single = conf.count !== undefined || conf.time_window !== undefined
  if (conf.rules === undefined) {
    const missing = ['count', 'time_window'].find((name) => conf[name] === undefined)
    if (missing !== undefined) return `property "${missing}" is required`
    return amountFault('count', conf.count, 1) ?? amountFault('time_window', conf.time_window, 1)
  }
  if (single) return 'count/time_window and rules cannot be specified at the same time'
  const seen = new Set<string>()
  for (const { key, count, time_window } of conf.rules as Rule[]) {
    const fault = amountFault('count', count, 1) ?? amountFault('time_window', time_window, 1)
    if (fault !== undefined) return fault
    if (seen.has(key)) return `duplicate key '${key}' in rules`
    seen.add(key)
  }
  return undefined
}
