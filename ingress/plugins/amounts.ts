import type { RequestContext } from '../dataplane/context.ts'
import type { Schema } from '../objects/index.ts'

/** A whole number, or a template that gives one in each request. */
export type Amount = number | string

/** In a schema; the value is checked by amountFault, whose words are clearer. */
export const AMOUNT: Schema = { description: 'a whole number, or a string with variables' }

/** The number in a request; undefined if it is none, or too small. */
export function amountOf(value: Amount, context: RequestContext, least: 0 | 1): number | undefined {
  const number = typeof value === 'number' ? value : Number(context.expand(value))
  return Number.isInteger(number) && number >= least ? number : undefined
}

/** What is wrong with an amount in a configuration, in the words of APISIX's validator. */
export function amountFault(name: string, value: unknown, least: 0 | 1): string | undefined {
  const fault = (() => {
    if (typeof value === 'string')
      return value === '' ? 'string too short, expected at least 1, got 0' : undefined
    if (!Number.isInteger(value)) return `wrong type: expected integer, got ${typeof value}`
    if (Number(value) >= least) return undefined
    return least === 0 ? `expected ${value} to be at least 0` : `expected ${value} to be greater than 0`
  })()
  return fault === undefined ? undefined : `property "${name}" validation failed: ${fault}`
}
