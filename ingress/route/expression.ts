import { AddressSet } from './addresses.ts'

/** Value of a variable for the request at hand; undefined if it has none. */
export type Variables = (name: string) => string | number | undefined
export type Expression = (variables: Variables) => boolean

export class ExpressionError extends Error {
  readonly code = 'GW_EXPRESSION'
}

type Value = string | number | undefined
type Test = (left: Value) => boolean

const ALWAYS: Expression = () => true

/** Compiles a `vars` array (lua-resty-expr's semantics, research notes §2.4); throws ExpressionError with its words. */
export function compileExpression(rule: readonly unknown[]): Expression {
  if (rule.length === 0) return ALWAYS
  if (!Array.isArray(rule[0]) && !isLogical(rule[0]))
    throw new ExpressionError('rule should be wrapped inside brackets')
  return compile(rule)
}

function isLogical(word: unknown): word is string {
  return typeof word === 'string' && /^!?(AND|OR)$/i.test(word)
}

function compile(rule: readonly unknown[]): Expression {
  const [first] = rule
  if (rule.length === 0) throw new ExpressionError('rule too short')
  if (Array.isArray(first)) return combine('AND', rule)
  if (!isLogical(first)) return comparison(rule)
  if (rule.length <= 2) throw new ExpressionError('rule too short')
  return combine(first.toUpperCase(), rule.slice(1))
}

function combine(operator: string, rules: readonly unknown[]): Expression {
  const parts = rules.map((rule) => {
    if (!Array.isArray(rule)) throw new ExpressionError('rule should be wrapped inside brackets')
    return compile(rule)
  })
  const negated = operator.startsWith('!')
  if (operator.endsWith('OR')) return (variables) => parts.some((part) => part(variables)) !== negated
  return (variables) => parts.every((part) => part(variables)) !== negated
}

/** Whether a `post_arg.` variable is a path that can be followed: names, `[0]`, `[*]`. */
function isReadablePath(name: string): boolean {
  return !name.startsWith('post_arg.') || /^(?:\.[^.[\]]+(?:\[(?:\d+|\*)\])*)+$/.test(name.slice(8))
}

function comparison(rule: readonly unknown[]): Expression {
  const [name, second, third, fourth] = rule
  if (typeof name !== 'string' || !isReadablePath(name)) throw new ExpressionError('invalid expression')
  if (rule.length === 2) return test(name, '==', second, false)
  if (second === '!') return test(name, third, fourth, true)
  return test(name, second, third, false)
}

function test(name: string, operator: unknown, right: unknown, negated: boolean): Expression {
  if (typeof operator !== 'string') throw new ExpressionError(`invalid operator '${String(operator)}'`)
  const matches = operatorTest(operator.toLowerCase(), right)
  return (variables) => matches(variables(name)) !== negated
}

function operatorTest(operator: string, right: unknown): Test {
  switch (operator) {
    case '==':
      return equality(right)
    case '~=': {
      const same = equality(right)
      return (left) => !same(left)
    }
    case '>':
      return ordering(right, (a, b) => a > b)
    case '>=':
      return ordering(right, (a, b) => a >= b)
    case '<':
      return ordering(right, (a, b) => a < b)
    case '<=':
      return ordering(right, (a, b) => a <= b)
    case '~~':
      return regex(right, 'u')
    case '~*':
      return regex(right, 'iu')
    case 'in': {
      const list = new Set(listOf(right, operator).map(String))
      return (left) => left !== undefined && list.has(String(left))
    }
    case 'has':
      return (left) =>
        left !== undefined &&
        String(left)
          .split(',')
          .some((part) => part.trim() === String(right))
    case 'ipmatch': {
      const addresses = addressSet(Array.isArray(right) ? right.map(String) : [String(right)])
      return (left) => typeof left === 'string' && addresses.has(left)
    }
    default:
      throw new ExpressionError(`invalid operator '${operator}'`)
  }
}

function equality(right: unknown): Test {
  if (right === null || right === undefined) return (left) => left === undefined
  if (typeof right === 'number') return (left) => left !== undefined && left !== '' && Number(left) === right
  const text = String(right)
  return (left) => left !== undefined && String(left) === text
}

function ordering(right: unknown, holds: (a: number, b: number) => boolean): Test {
  const bound = Number(right)
  return (left) => {
    if (left === undefined || left === '') return false
    const value = Number(left)
    return !Number.isNaN(value) && !Number.isNaN(bound) && holds(value, bound)
  }
}

function regex(right: unknown, flags: string): Test {
  const pattern = compileRegex(String(right), flags)
  return (left) => left !== undefined && pattern.test(String(left))
}

/** A regex as APISIX takes it (PCRE); the unicode flag only where the pattern allows it. Throws ExpressionError. */
export function compileRegex(source: string, flags = 'u'): RegExp {
  // PCRE's leading (?i) has no counterpart in front of a JavaScript pattern.
  if (source.startsWith('(?i)'))
    return compileRegex(source.slice(4), flags.includes('i') ? flags : `${flags}i`)
  try {
    return new RegExp(source, flags)
  } catch {
    try {
      return new RegExp(source, flags.replace('u', ''))
    } catch (cause) {
      throw new ExpressionError(`invalid regex "${source}"`, { cause })
    }
  }
}

function listOf(right: unknown, operator: string): readonly unknown[] {
  if (Array.isArray(right)) return right
  throw new ExpressionError(`operator '${operator}' needs a list`)
}

function addressSet(entries: readonly string[]): AddressSet {
  try {
    return new AddressSet(entries)
  } catch (cause) {
    throw new ExpressionError(cause instanceof Error ? cause.message : 'invalid ip address', { cause })
  }
}
