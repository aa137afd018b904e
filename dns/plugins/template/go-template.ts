/**
 * The part of Go's text/template that Corefiles use: pipelines (go-expression.ts), `if`, `else if`, `else`, `range`, `with`, `end`,
 * variables, trim markers and comments.
 */
import {
  builtins,
  compilePipeline,
  type Scope,
  TemplateError,
  type TemplateFunctions,
  type TemplateValue,
  textOf,
  truth,
} from './go-expression.ts'

export { TemplateError, type TemplateValue } from './go-expression.ts'

export type Template = (data: TemplateValue) => string

type Node = (scope: Scope) => string
type Names = ReadonlySet<string>

/** Compiles; throws TemplateError. */
export function compileTemplate(source: string, functions: TemplateFunctions = {}): Template {
  const parser = new Parser(source, { ...builtins, ...functions })
  const whole = parser.body(new Set())
  if (whole.ended !== '') throw new TemplateError(`'{{ ${whole.ended} }}' belongs to nothing`)
  return (data) => whole.run({ dot: data, root: data, variables: new Map() })
}

/** Goes through a template once, from its start to its end. */
class Parser {
  readonly #pieces: readonly string[]
  readonly #functions: TemplateFunctions
  #at = 0

  constructor(source: string, functions: TemplateFunctions) {
    this.#pieces = source.split(/(\{\{-?[\s\S]*?-?\}\})/)
    this.#functions = functions
  }

  /** What stands up to `end` or `else`, and what ended it. */
  body(outer: Names): { run: Node; ended: string } {
    const declared = new Set(outer)
    const nodes: ((scope: Scope & { variables: Map<string, { value: TemplateValue }> }) => string)[] = []
    let ended = ''
    for (; this.#at < this.#pieces.length; this.#at += 1) {
      const words = /^\{\{-?([\s\S]*?)-?\}\}$/.exec(this.#pieces[this.#at] ?? '')?.[1]?.trim()
      if (words === undefined) {
        const plain = this.#text()
        if (plain.includes('{{')) throw new TemplateError(`'${plain}': an action is not closed`)
        if (plain !== '') nodes.push(() => plain)
        continue
      }
      const keyword = /^(?:end|else|if|range|with)\b/.exec(words)?.[0]
      if (keyword === 'end' || keyword === 'else') {
        this.#at += 1
        ended = words
        break
      }
      const assignment = /^\$(\w+)\s*(:?=)([\s\S]*)$/.exec(words)
      if (keyword !== undefined) {
        this.#at += 1
        nodes.push(this.#block(keyword, words.slice(keyword.length).trim(), declared))
        this.#at -= 1
      } else if (assignment !== null) {
        const [, name = '', sign, pipeline = ''] = assignment
        const value = this.#pipeline(pipeline.trim(), declared)
        if (sign === ':=') declared.add(name)
        else if (!declared.has(name)) throw new TemplateError(`variable '$${name}' is not known`)
        nodes.push((scope) => {
          const cell = sign === ':=' ? undefined : scope.variables.get(name)
          if (cell === undefined) scope.variables.set(name, { value: value(scope) })
          else cell.value = value(scope)
          return ''
        })
      } else if (!words.startsWith('/*')) {
        const value = this.#pipeline(words, declared)
        nodes.push((scope) => textOf(value(scope)))
      }
    }
    // Variables last as long as the block that declares them.
    const run: Node = (scope) => {
      const own = { ...scope, variables: new Map(scope.variables) }
      return nodes.map((node) => node(own)).join('')
    }
    return { run, ended }
  }

  #text(): string {
    let piece = this.#pieces[this.#at] ?? ''
    if ((this.#pieces[this.#at - 1] ?? '').endsWith('-}}')) piece = piece.trimStart()
    if ((this.#pieces[this.#at + 1] ?? '').startsWith('{{-')) piece = piece.trimEnd()
    return piece
  }

  #pipeline(source: string, declared: Names) {
    return compilePipeline(source, this.#functions, declared)
  }

  /** `if`, `range` and `with`, to their `end`. */
  #block(keyword: string, head: string, declared: Names): Node {
    const [, names = '', source = head] = /^(\$\w+(?:\s*,\s*\$\w+)?)\s*:=([\s\S]*)$/.exec(head) ?? []
    const value = this.#pipeline(source.trim(), declared)
    const variables = names.split(',').map((name) => name.trim().slice(1))
    const inner = names === '' ? declared : new Set([...declared, ...variables])
    const { run, ended } = this.body(inner)
    const otherwise = this.#otherwise(keyword, ended, declared)
    const within = (scope: Scope, values: readonly TemplateValue[], dot: TemplateValue): string => {
      if (names === '') return run({ ...scope, dot })
      const named = variables.map((name, i) => [name, { value: values[i] }] as const)
      return run({ ...scope, dot, variables: new Map([...scope.variables, ...named]) })
    }
    return (scope) => {
      const found = value(scope)
      if (!truth(found)) return otherwise(scope)
      if (keyword === 'if') return within(scope, [found], scope.dot)
      if (keyword === 'with') return within(scope, [found], found)
      return entries(found)
        .map(([key, one]) => within(scope, variables.length === 2 ? [key, one] : [one], one))
        .join('')
    }
  }

  /** What stands behind `else`, up to `end`. */
  #otherwise(keyword: string, ended: string, declared: Names): Node {
    const chained = /^else\s+(if|with)\b([\s\S]*)/.exec(ended)
    if (chained !== null) return this.#block(chained[1] ?? '', (chained[2] ?? '').trim(), declared)
    if (ended === 'else') {
      const other = this.body(declared)
      if (other.ended === 'end') return other.run
    } else if (ended === 'end') return () => ''
    throw new TemplateError(`'{{ ${keyword} }}' has no {{ end }}`)
  }
}

/** What `range` goes through: lists, and maps in the order of their keys. */
function entries(value: TemplateValue): [TemplateValue, TemplateValue][] {
  if (typeof value === 'number') return Array.from({ length: value }, (_, i) => [i, i])
  if (Array.isArray(value)) return value.map((one: TemplateValue, i) => [i, one])
  if (typeof value !== 'object') throw new TemplateError(`range cannot go through '${textOf(value)}'`)
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
}
