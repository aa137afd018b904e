/**
 * The expressions of `view`: a part of expr-lang (literals, lists, comparisons, `and` `or` `not`, `in`, `matches`, `contains`,
 * `startsWith`, `endsWith`, ranges, `?:`, arithmetic `+ - * / %`, and calls of the functions the caller gives).
 */
export type Value = string | number | boolean | readonly Value[]
export type Functions<C> = Readonly<Record<string, (context: C, args: readonly Value[]) => Value>>
export type Expression<C> = (context: C) => Value

export class ExpressionError extends Error {
  readonly code = 'DNS_EXPRESSION'
}

const tokenPattern =
  /\s*(?:(\d+(?:\.\d+)?)|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\.\.|==|!=|<=|>=|&&|\|\||[-+*/%()[\],!<>?:])|([A-Za-z_]\w*))/y

interface Token {
  readonly kind: 'number' | 'string' | 'symbol' | 'word' | 'end'
  readonly text: string
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  tokenPattern.lastIndex = 0
  const source = text.trimEnd()
  while (tokenPattern.lastIndex < source.length) {
    const at = tokenPattern.lastIndex
    const match = tokenPattern.exec(source)
    if (match === null) throw new ExpressionError(`'${source.slice(at)}' is not understood`)
    const [, number, single, double, symbol, word] = match
    const quoted = single ?? double
    if (number !== undefined) tokens.push({ kind: 'number', text: number })
    else if (quoted !== undefined) tokens.push({ kind: 'string', text: quoted.replace(/\\(['"\\])/g, '$1') })
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', text: symbol })
    else tokens.push({ kind: 'word', text: word ?? '' })
  }
  return [...tokens, { kind: 'end', text: 'the end' }]
}

const levels: readonly (readonly string[])[] = [
  ['||', 'or'],
  ['&&', 'and'],
  ['==', '!=', '<', '>', '<=', '>=', 'in', 'matches', 'contains', 'startsWith', 'endsWith'],
  ['..'],
  ['+', '-'],
  ['*', '/', '%'],
]

/** Compiles; throws ExpressionError for what is not understood. */
export function compileExpression<C>(text: string, functions: Functions<C>): Expression<C> {
  const tokens = tokensOf(text)
  let at = 0
  const peek = (): Token => tokens[at] ?? { kind: 'end', text: 'the end' }
  const take = (symbol: string): boolean => {
    const { kind, text: found } = peek()
    if (kind === 'string' || kind === 'number' || found !== symbol) return false
    at += 1
    return true
  }
  const expect = (symbol: string): void => {
    if (!take(symbol)) throw new ExpressionError(`'${symbol}' expected before '${peek().text}'`)
  }
  const list = (end: string): Expression<C>[] => {
    const items: Expression<C>[] = []
    if (take(end)) return items
    do items.push(conditional())
    while (take(','))
    expect(end)
    return items
  }
  const primary = (): Expression<C> => {
    const token = peek()
    at += 1
    if (token.kind === 'number') return () => Number(token.text)
    if (token.kind === 'string') return () => token.text
    if (token.text === '(') {
      const inner = conditional()
      expect(')')
      return inner
    }
    if (token.text === '[') {
      const items = list(']')
      return (context) => items.map((item) => item(context))
    }
    if (token.text === 'true' || token.text === 'false') return () => token.text === 'true'
    const call =
      token.kind === 'word' && Object.hasOwn(functions, token.text) ? functions[token.text] : undefined
    if (call === undefined)
      throw new ExpressionError(`'${token.text}' is not known; there is ${Object.keys(functions).join(', ')}`)
    expect('(')
    const args = list(')')
    return (context) =>
      call(
        context,
        args.map((argument) => argument(context)),
      )
  }
  const unary = (): Expression<C> => {
    if (take('!') || take('not')) {
      const operand = unary()
      return (context) => operand(context) !== true
    }
    if (take('-')) {
      const operand = unary()
      return (context) => -Number(operand(context))
    }
    return primary()
  }
  const binary = (level: number): Expression<C> => {
    const operators = levels[level]
    if (operators === undefined) return unary()
    let left = binary(level + 1)
    for (;;) {
      const negated = level === 2 && peek().text === 'not' && peek().kind === 'word' && take('not')
      const operator = operators.find((candidate) => take(candidate))
      if (operator === undefined) {
        if (negated) throw new ExpressionError(`an operator expected after 'not'`)
        return left
      }
      const before = left
      const right = binary(level + 1)
      const apply = operation(operator)
      left = negated
        ? (context) => apply(before, right, context) !== true
        : (context) => apply(before, right, context)
    }
  }
  const conditional = (): Expression<C> => {
    const condition = binary(0)
    if (!take('?')) return condition
    const yes = conditional()
    expect(':')
    const no = conditional()
    return (context) => (condition(context) === true ? yes(context) : no(context))
  }
  const whole = conditional()
  if (peek().kind !== 'end') throw new ExpressionError(`'${peek().text}' is not expected here`)
  return whole
}

type Apply = <C>(left: Expression<C>, right: Expression<C>, context: C) => Value

function operation(operator: string): Apply {
  const plain =
    (combine: (a: Value, b: Value) => Value): Apply =>
    (left, right, context) =>
      combine(left(context), right(context))
  switch (operator) {
    case '||':
    case 'or':
      return (left, right, context) => left(context) === true || right(context) === true
    case '&&':
    case 'and':
      return (left, right, context) => left(context) === true && right(context) === true
    case '==':
      return plain((a, b) => a === b)
    case '!=':
      return plain((a, b) => a !== b)
    case '<':
      return plain((a, b) => a < b)
    case '>':
      return plain((a, b) => a > b)
    case '<=':
      return plain((a, b) => a <= b)
    case '>=':
      return plain((a, b) => a >= b)
    case 'in':
      return plain((a, b) => (Array.isArray(b) ? b.includes(a) : false))
    case 'contains':
      return plain((a, b) => String(a).includes(String(b)))
    case 'startsWith':
      return plain((a, b) => String(a).startsWith(String(b)))
    case 'endsWith':
      return plain((a, b) => String(a).endsWith(String(b)))
    case 'matches':
      return plain((a, b) => new RegExp(String(b)).test(String(a)))
    case '..':
      return plain((a, b) =>
        Array.from(
          { length: Math.max(0, Math.min(65_536, Number(b) - Number(a) + 1)) },
          (_, i) => Number(a) + i,
        ),
      )
    case '+':
      return plain((a, b) => (typeof a === 'string' ? a + String(b) : Number(a) + Number(b)))
    case '-':
      return plain((a, b) => Number(a) - Number(b))
    case '*':
      return plain((a, b) => Number(a) * Number(b))
    case '/':
      return plain((a, b) => Number(a) / Number(b))
    default:
      return plain((a, b) => Number(a) % Number(b))
  }
}
