/** Pipelines of Go's text/template: fields, variables, functions, parentheses, bars. */
export type TemplateValue =
  | string
  | number
  | boolean
  | undefined
  | readonly TemplateValue[]
  | { readonly [key: string]: TemplateValue }
  | ((...args: TemplateValue[]) => TemplateValue)

/** Where a pipeline is worked out. */
export interface Scope {
  /** what `.` is */
  readonly dot: TemplateValue
  /** what `$` is */
  readonly root: TemplateValue
  /** `$name`, without the sign */
  readonly variables: ReadonlyMap<string, { value: TemplateValue }>
}

export class TemplateError extends Error {
  readonly code = 'DNS_TEMPLATE'
}

export type Expression = (scope: Scope) => TemplateValue
export type TemplateFunction = (...args: TemplateValue[]) => TemplateValue
export type TemplateFunctions = Readonly<Record<string, TemplateFunction>>

export const builtins: TemplateFunctions = {
  index: (value, ...keys) => keys.reduce<TemplateValue>((found, key) => member(found, String(key)), value),
  len: (value) => (typeof value === 'string' || Array.isArray(value) ? value.length : 0),
  not: (value) => !truth(value),
  and: (...values) => values.find((value) => !truth(value)) ?? values.at(-1),
  or: (...values) => values.find(truth) ?? values.at(-1),
  eq: (value, ...others) => others.some((other) => other === value),
  ne: (a, b) => a !== b,
  lt: (a, b) => Number(a) < Number(b),
  le: (a, b) => Number(a) <= Number(b),
  gt: (a, b) => Number(a) > Number(b),
  ge: (a, b) => Number(a) >= Number(b),
  print: (...values) => values.map(textOf).join(''),
  printf: (format, ...values) => {
    let next = 0
    return textOf(format).replace(
      /%(0?)(\d*)([sdvxXq%])/g,
      (_, zero: string, width: string, verb: string) => {
        if (verb === '%') return '%'
        const value = values[next]
        next += 1
        const shown =
          verb === 'x' || verb === 'X'
            ? Number(value).toString(16)
            : verb === 'q'
              ? JSON.stringify(textOf(value))
              : textOf(value)
        return (verb === 'X' ? shown.toUpperCase() : shown).padStart(
          Number(width || 0),
          zero === '0' ? '0' : ' ',
        )
      },
    )
  },
  parseInt: (value, base, bits) => {
    const number = Number.parseInt(textOf(value), Number(base) || 10)
    if (Number.isNaN(number) || number >= 2 ** Number(bits || 64))
      throw new TemplateError(`'${textOf(value)}' is no number`)
    return number
  },
}

/** `a b | c`: the value before a bar is the last argument after it. `declared`: names of variables. Throws TemplateError. */
export function compilePipeline(
  source: string,
  functions: TemplateFunctions,
  declared: ReadonlySet<string>,
): Expression {
  const tokens = source.match(/"(?:[^"\\]|\\.)*"|`[^`]*`|[()|]|[^\s()|]+/g) ?? []
  let at = 0
  const operand = (): Expression => {
    const token = tokens[at]
    at += 1
    if (token === undefined) throw new TemplateError(`'${source}' ends too early`)
    if (token === '(') {
      const inner = pipeline()
      if (tokens[at] !== ')') throw new TemplateError(`'${source}': a parenthesis is not closed`)
      at += 1
      const path = tokens[at]?.startsWith('.') === true ? (tokens[at] ?? '') : ''
      if (path === '') return inner
      at += 1
      return (scope) => path.slice(1).split('.').reduce<TemplateValue>(member, inner(scope))
    }
    if (token.startsWith('"')) {
      const value = JSON.parse(token) as string
      return () => value
    }
    if (token.startsWith('`')) return () => token.slice(1, -1)
    if (/^-?\d+$/.test(token)) return () => Number(token)
    if (token === 'true' || token === 'false') return () => token === 'true'
    const path = /^(\$\w*)?((?:\.\w+)*)\.?$/.exec(token)
    if (path !== null) return access(path[1], path[2] ?? '')
    const call = Object.hasOwn(functions, token) ? functions[token] : undefined
    if (call === undefined) throw new TemplateError(`function '${token}' is not known`)
    return () => call
  }
  const access = (variable: string | undefined, path: string): Expression => {
    const keys = path.split('.').slice(1)
    if (variable === undefined) return ({ dot }) => keys.reduce<TemplateValue>(member, dot)
    const name = variable.slice(1)
    if (name === '') return ({ root }) => keys.reduce<TemplateValue>(member, root)
    if (!declared.has(name)) throw new TemplateError(`variable '${variable}' is not known`)
    return ({ variables }) => keys.reduce<TemplateValue>(member, variables.get(name)?.value)
  }
  const command = (piped: Expression | undefined): Expression => {
    const [head, ...args] = operands()
    if (head === undefined) throw new TemplateError(`'${source}' is not understood`)
    const all = piped === undefined ? args : [...args, piped]
    return (scope) => {
      const value = head(scope)
      if (typeof value === 'function') return value(...all.map((argument) => argument(scope)))
      if (all.length > 0) throw new TemplateError(`'${source}': only functions take arguments`)
      return value
    }
  }
  const operands = (): Expression[] => {
    const found: Expression[] = []
    while (at < tokens.length && tokens[at] !== '|' && tokens[at] !== ')') found.push(operand())
    return found
  }
  const pipeline = (): Expression => {
    let value = command(undefined)
    while (tokens[at] === '|') {
      at += 1
      value = command(value)
    }
    return value
  }
  const whole = pipeline()
  if (at < tokens.length) throw new TemplateError(`'${source}': '${tokens[at]}' is not expected`)
  return whole
}

function member(value: TemplateValue, key: string): TemplateValue {
  if (Array.isArray(value)) {
    const list: readonly TemplateValue[] = value
    return list[Number(key)]
  }
  if (typeof value !== 'object') return undefined
  const object = value as { readonly [key: string]: TemplateValue }
  return Object.hasOwn(object, key) ? object[key] : undefined
}

/** Go's idea of what is not empty. */
export function truth(value: TemplateValue): boolean {
  return !(
    value === undefined ||
    value === '' ||
    value === 0 ||
    value === false ||
    (Array.isArray(value) && value.length === 0) ||
    (typeof value === 'object' && Object.keys(value).length === 0)
  )
}

export function textOf(value: TemplateValue): string {
  return value === undefined ? '' : String(value)
}
