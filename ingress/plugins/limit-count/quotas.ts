import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject } from '../../objects/index.ts'
import { type Amount, amountOf } from '../amounts.ts'
import { combinedKey, countingKey, type KeyConf } from '../counting-key.ts'

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

function windowOf(rule: Pick<Rule, 'count' | 'time_window'>, context: RequestContext) {
  const count = amountOf(rule.count, context, 1)
  const seconds = amountOf(rule.time_window, context, 1)
  return count === undefined || seconds === undefined ? undefined : { count, windowMs: seconds * 1000 }
}

/**
 * The quotas of a configuration: one, or one per rule whose key has a value in this request. undefined if none can be told:
 * an amount that the client spoils, or a request that no rule is about, must not switch the limit off.
 */
export function quotasOf(conf: JsonObject): (context: RequestContext) => Quota[] | undefined {
  const { rules } = conf as { rules?: readonly Rule[] }
  if (rules === undefined) {
    const keyed = conf as unknown as KeyConf & Rule
    const { count, time_window: seconds } = keyed
    if (typeof count === 'number' && typeof seconds === 'number') {
      const windowMs = seconds * 1000
      return (context) => [{ key: countingKey(keyed, context), count, windowMs, prefix: '' }]
    }
    return (context) => {
      const window = windowOf(keyed, context)
      return window && [{ key: countingKey(keyed, context), ...window, prefix: '' }]
    }
  }
  return (context) => {
    const quotas: Quota[] = []
    for (const [index, rule] of rules.entries()) {
      const key = combinedKey(rule.key, context)
      if (key === undefined) continue
      const window = windowOf(rule, context)
      if (window === undefined) return undefined
      quotas.push({ key: `${index} ${key}`, ...window, prefix: rule.header_prefix ?? String(index + 1) })
    }
    return quotas.length === 0 ? undefined : quotas
  }
}

/** Faults of a configuration that its schema does not see. */
export function checkQuotas(conf: JsonObject): string | undefined {
  if (conf.rules === undefined) {
    const complete = conf.count !== undefined && conf.time_window !== undefined
    return complete ? undefined : 'value should match only one schema, but matches none'
  }
  if (conf.count !== undefined || conf.time_window !== undefined)
    return 'count/time_window and rules cannot be specified at the same time'
  if (conf.group !== undefined) return 'group and rules cannot be specified at the same time'
  const seen = new Set<string>()
  for (const { key } of conf.rules as Rule[]) {
    if (seen.has(key)) return `duplicate key '${key}' in rules`
    seen.add(key)
  }
  return undefined
}
