import type { RequestContext } from '../dataplane/context.ts'
import type { Schema } from '../objects/index.ts'

/** A whole number, or a template that gives one in each request. */
export type Amount = number | string

/** The schema of an amount of one or more. */
export const POSITIVE: Schema = { oneOf: [{ type: 'integer', exclusiveMinimum: 0 }, { type: 'string' }] }
/** The schema of an amount that may be none. */
export const NOT_NEGATIVE: Schema = { oneOf: [{ type: 'integer', minimum: 0 }, { type: 'string' }] }

/** The number in a request; undefined if it is none, not whole, too small, or beyond what is counted exactly. */
export function amountOf(value: Amount, context: RequestContext, least: 0 | 1): number | undefined {
  if (typeof value === 'number') return value
  const text = context.expand(value).trim()
  const number = text === '' ? Number.NaN : Number(text)
  return Number.isSafeInteger(number) && number >= least ? number : undefined
}
