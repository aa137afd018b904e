/**
 * The part of Go's text/template that Corefiles use: fields, `index`, `if`/`else if`/`else`/`end`, comparisons, `printf`, `len`,
 * `not`/`and`/`or`, parentheses, pipes, trim markers and comments.
 */
export type TemplateValue =
  | string
  | number
  | boolean
  | undefined
  | readonly TemplateValue[]
  | { readonly [key: string]: TemplateValue }
  | ((...args: TemplateValue[]) => TemplateValue)

export type Template = (data: TemplateValue) => string

export class TemplateError extends Error {
  readonly code = 'DNS_TEMPLATE'
}

type Expression = (data: TemplateValue) => TemplateValue
type Node = (data: TemplateValue) => string

/** Compiles; throws TemplateError. */
export function compileTemplate(
  source: string,
  functions: Readonly<Record<string, Function_>> = {},
): Template {
  const pieces = source.split(/(\{\{-?[\s\S]*?-?\}\})/)
  let at = 0
  const known: Readonly<Record<string, Function_>> = { ...builtins, ...functions }
  const action = (piece: string): string | undefined => /^\{\{-?([\s\S]*?)-?\}\}$/.exec(piece)?.[1]?.trim()
  const text = (index: number): string => {
    let piece = pieces[index] ?? ''
    if ((pieces[index - 1] ?? '').endsWith('-}}')) piece = piece.trimStart()
    if ((pieces[index + 1] ?? '').startsWith('{{-')) piece = piece.trimEnd()
    return piece
  }
  /** Nodes up to `end` or `else`, and what ended them. */
  const body = (): { nodes: Node[]; ended: string } => {
    const nodes: Node[] = []
    for (; at < pieces.length; at += 1) {
      const words = action(pieces[at] ?? '')
      if (words === undefined) {
        const plain = text(at)
        if (plain.includes('{{')) throw new TemplateError(`'${plain}': an action is not closed`)
        if (plain !== '') nodes.push(() => plain)
      } else if (words === 'end' || /^else\b/.test(words)) {
        at += 1
        return { nodes, ended: words }
      } else if (/^if\b/.test(words)) {
        at += 1
        nodes.push(branch(words.slice(2)))
        at -= 1
      } else if (!words.startsWith('/*')) {
        const value = compilePipeline(words, known)
        nodes.push((data) => textOf(value(data)))
      }
    }
    return { nodes, ended: '' }
  }
  const branch = (condition: string): Node => {
    const test = compilePipeline(condition.trim(), known)
    const { nodes: yes, ended } = body()
    let no: Node[] = []
    const elseIf = /^else\s+if\b([\s\S]*)/.exec(ended)
    if (elseIf !== null) no = [branch(elseIf[1] ?? '')]
    else if (ended === 'else') {
      const other = body()
      if (other.ended !== 'end') throw new TemplateError(`'{{ if ${condition.trim()} }}' has no {{ end }}`)
      no = other.nodes
    } else if (ended !== 'end') throw new TemplateError(`'{{ if ${condition.trim()} }}' has no {{ end }}`)
    return (data) => (truth(test(data)) ? yes : no).map((node) => node(data)).join('')
  }
  const whole = body()
  if (whole.ended !== '') throw new TemplateError(`'{{ ${whole.ended} }}' without {{ if }}`)
  return (data) => whole.nodes.map((node) => node(data)).join('')
}

type Function_ = (...args: TemplateValue[]) => TemplateValue

const builtins: Readonly<Record<string, Function_>> = {
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

/** `a b | c`: the value before a bar is the last argument after it. */
function compilePipeline(source: string, functions: Readonly<Record<string, Function_>>): Expression {
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
      return (data) => path.slice(1).split('.').reduce<TemplateValue>(member, inner(data))
    }
    if (token.startsWith('"')) {
      const value = JSON.parse(token) as string
      return () => value
    }
    if (token.startsWith('`')) return () => token.slice(1, -1)
    if (/^-?\d+$/.test(token)) return () => Number(token)
    if (token === 'true' || token === 'false') return () => token === 'true'
    if (token === '.' || token === '$') return (data) => data
    if (/^\$?\.[\w.]+$/.test(token)) {
      const path = token.replace(/^\$?\./, '').split('.')
      return (data) => path.reduce<TemplateValue>(member, data)
    }
    const call = Object.hasOwn(functions, token) ? functions[token] : undefined
    if (call === undefined) throw new TemplateError(`function '${token}' is not known`)
    return () => call
  }
  const command = (piped: Expression | undefined): Expression => {
    const [head, ...args] = operands()
    if (head === undefined) throw new TemplateError(`'${source}' is not understood`)
    const all = piped === undefined ? args : [...args, piped]
    return (data) => {
      const value = head(data)
      if (typeof value === 'function') return value(...all.map((argument) => argument(data)))
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

function truth(value: TemplateValue): boolean {
  return !(
    value === undefined ||
    value === '' ||
    value === 0 ||
    value === false ||
    (Array.isArray(value) && value.length === 0)
  )
}

function textOf(value: TemplateValue): string {
  return value === undefined ? '' : String(value)
}
