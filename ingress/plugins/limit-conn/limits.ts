import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject } from '../../objects/index.ts'
import { type Amount, amountOf } from '../amounts.ts'
import { combinedKey, countingKey, type KeyConf } from '../counting-key.ts'

/** How many requests of a key may run in one request's eyes. */
export interface Limit {
  readonly key: string
  readonly conn: number
  readonly burst: number
}

interface Rule {
  readonly conn: Amount
  readonly burst: Amount
  readonly key: string
}

function amountsOf(rule: Pick<Rule, 'conn' | 'burst'>, context: RequestContext) {
  const conn = amountOf(rule.conn, context, 1)
  const burst = amountOf(rule.burst, context, 0)
  return conn === undefined || burst === undefined ? undefined : { conn, burst }
}

/**
 * The limits of a configuration: one, or one per rule whose key and amounts have values in this request. undefined if none
 * can be told: what a client sends or leaves out must not switch the limit off.
 */
export function limitsOf(conf: JsonObject): (context: RequestContext) => Limit[] | undefined {
  const { rules } = conf as { rules?: readonly Rule[] }
  if (rules === undefined) {
    const single = conf as unknown as Rule & KeyConf
    return (context) => {
      const amounts = amountsOf(single, context)
      return amounts && [{ key: countingKey(single, context), ...amounts }]
    }
  }
  return (context) => {
    const limits = rules.flatMap((rule, index) => {
      const key = combinedKey(rule.key, context)
      const amounts = amountsOf(rule, context)
      return key === undefined || amounts === undefined ? [] : [{ key: `${index} ${key}`, ...amounts }]
    })
    return limits.length === 0 ? undefined : limits
  }
}
