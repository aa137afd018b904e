import { CorefileError, type Position } from '../errors.ts'
import type { Token } from './lexer.ts'

/** An argument of a directive and where it stands. */
export interface Argument extends Position {
  readonly text: string
}

/** A line of a block: a name, its arguments, and the lines in braces after it, if any. */
export interface Directive extends Position {
  readonly name: string
  readonly args: readonly Argument[]
  readonly block: readonly Directive[] | undefined
}

/** `keys { directives }` */
export interface Block extends Position {
  readonly keys: readonly Argument[]
  readonly directives: readonly Directive[]
}

/** Builds directives out of the tokens between a block's braces, imports already done. */
export function buildDirectives(tokens: readonly Token[]): Directive[] {
  let cursor = 0
  const lines = (closedBy: Token | undefined): Directive[] => {
    const directives: Directive[] = []
    for (;;) {
      const head = tokens[cursor]
      if (head === undefined) {
        if (closedBy !== undefined) throw syntaxError(closedBy, "this '{' has no matching '}'")
        return directives
      }
      cursor += 1
      if (head.brace === '}') {
        if (closedBy === undefined) throw syntaxError(head, "'}' without a matching '{'")
        return directives
      }
      if (head.brace === '{')
        throw syntaxError(head, "'{' must stand on the line of the directive it belongs to")
      directives.push(directive(head))
    }
  }
  const directive = (head: Token): Directive => {
    const args: Argument[] = []
    let block: Directive[] | undefined
    for (let next = tokens[cursor]; next !== undefined && next.row === head.row; next = tokens[cursor]) {
      if (next.brace === '}') throw syntaxError(next, "'}' must stand on a line of its own")
      cursor += 1
      if (next.brace === '{') {
        const inner = tokens[cursor]
        if (inner !== undefined && inner.row === next.row && inner.brace !== '}') {
          throw syntaxError(inner, `'${inner.text}' must start a new line after '{'`)
        }
        block = lines(next)
        break
      }
      args.push({ text: next.text, file: next.file, line: next.line })
    }
    return { name: head.text, args, block, file: head.file, line: head.line }
  }
  return lines(undefined)
}

/** An error about the structure of the file. */
export function syntaxError(at: Position, message: string): CorefileError {
  return new CorefileError('DNS_COREFILE_SYNTAX', at, message)
}
