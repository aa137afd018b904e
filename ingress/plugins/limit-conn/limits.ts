import type { RequestContext } from '../../dataplane/context.ts'
import type { JsonObject } from '../../objects/index.ts'
import { type Amount, amountFault, amountOf } from '../amounts.ts'
import { countingKey, type KeyConf } from '../counting-key.ts'

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

/** The limits of a configuration: one, or one per rule whose key has a value in this request. */
export function limitsOf(conf: JsonObject): (context: RequestContext) => Limit[] | undefined {
  const { rules } = conf as { rules?: readonly Rule[] }
  if (rules === undefined) {
    const single = conf as unknown as Rule & KeyConf
    return (context) => {
      const [conn, burst] = [amountOf(single.conn, context, 1), amountOf(single.burst, context, 0)]
      if (conn === undefined || burst === undefined) return undefined
      return [{ key: countingKey(single, context), conn, burst }]
    }
  }
  return (context) =>
    rules.flatMap((rule, index) => {
      const key = context.expand(rule.key)
      const [conn, burst] = [amountOf(rule.conn, context, 1), amountOf(rule.burst, context, 0)]
      if (key.trim() === '' || conn === undefined || burst === undefined) return []
      return [{ key: `${index} ${key}`, conn, burst }]
    })
}

/** Faults of a configuration that its schema does not see. */
export function checkLimits(conf: JsonObject): string | undefined {
  if (conf.rules === undefined) {
    const missing = ['conn', 'burst', 'key'].find((name) => conf[name] === undefined)
    if (missing !== undefined) return `property "${missing}" is required`
    return amountFault('conn', conf.conn, 1) ?? amountFault('burst', conf.burst, 0)
  }
  const seen = new Set<string>()
  for (const { key, conn, burst } of conf.rules as Rule[]) {
    const fault = amountFault('conn', conn, 1) ?? amountFault('burst', burst, 0)
    if (fault !== undefined) return fault
    if (seen.has(key)) return `duplicate key '${key}' in rules`
    seen.add(key)
  }
  return undefined
}
