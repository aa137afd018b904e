/** An operation of a GraphQL document, as far as routes ask about it. */
export interface GraphqlOperation {
  readonly type: 'query' | 'mutation' | 'subscription'
  readonly name: string
  /** Fields of the outermost selection, by their own names (not their aliases); fragments are not followed. */
  readonly rootFields: readonly string[]
}

export class GraphqlSyntaxError extends Error {
  readonly code = 'GW_GRAPHQL'
}

const IGNORED = /(?:[\s,\ufeff]|#[^\n\r]*)*/y
const TOKEN =
  /\.\.\.|[{}()[\]:=!@$&|]|"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|[_A-Za-z]\w*|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/sy
const NAME = /^[_A-Za-z]/
const OPERATIONS: readonly string[] = ['query', 'mutation', 'subscription']
const CLOSING: Readonly<Record<string, string>> = { '{': '}', '(': ')', '[': ']' }

function tokensOf(text: string): string[] {
  const tokens: string[] = []
  for (let at = 0; ; ) {
    IGNORED.lastIndex = at
    IGNORED.exec(text)
    at = IGNORED.lastIndex
    if (at === text.length) return tokens
    TOKEN.lastIndex = at
    const token = TOKEN.exec(text)?.[0]
    if (token === undefined) throw new GraphqlSyntaxError(`unexpected ${JSON.stringify(text[at])}`)
    tokens.push(token)
    at += token.length
  }
}

/** Walks over the tokens of a document. Groups in brackets are skipped whole. */
class Reader {
  readonly #tokens: readonly string[]
  #at = 0

  constructor(text: string) {
    this.#tokens = tokensOf(text)
  }

  get current(): string | undefined {
    return this.#tokens[this.#at]
  }

  next(): string {
    const token = this.#tokens[this.#at++]
    if (token === undefined) throw new GraphqlSyntaxError('the document ends too early')
    return token
  }

  takeIf(token: string): boolean {
    if (this.current !== token) return false
    this.#at++
    return true
  }

  /** Skips up to an opening brace of a selection, over variables and directives. */
  skipToSelection(): void {
    while (this.current !== '{') this.skip()
  }

  /** Skips one token, or a group. */
  skip(): void {
    const closing = CLOSING[this.next()]
    if (closing === undefined) return
    while (this.current !== closing) this.skip()
    this.next()
  }

  name(): string {
    const name = this.next()
    if (!NAME.test(name)) throw new GraphqlSyntaxError(`a name is expected, not ${name}`)
    return name
  }
}

/** The operations of a document, in order. Throws GraphqlSyntaxError if it is none, or has none. */
export function graphqlOperations(text: string): GraphqlOperation[] {
  const reader = new Reader(text)
  const operations: GraphqlOperation[] = []
  while (reader.current !== undefined) {
    const type = reader.current === '{' ? 'query' : reader.name()
    const isOperation = OPERATIONS.includes(type)
    const name = isOperation && NAME.test(reader.current ?? '') ? reader.name() : ''
    if (!isOperation && type !== 'fragment') throw new GraphqlSyntaxError(`unexpected ${type}`)
    reader.skipToSelection()
    if (isOperation)
      operations.push({ type: type as GraphqlOperation['type'], name, rootFields: selection(reader) })
    else reader.skip()
  }
  if (operations.length === 0) throw new GraphqlSyntaxError('there is no operation')
  return operations
}

function selection(reader: Reader): string[] {
  const fields: string[] = []
  reader.next()
  while (!reader.takeIf('}')) {
    if (reader.takeIf('...')) {
      while (reader.current !== '{' && NAME.test(reader.current ?? '')) reader.next()
    } else {
      const name = reader.name()
      fields.push(reader.takeIf(':') ? reader.name() : name)
    }
    // Arguments, directives, what is selected below.
    if (reader.current === '(') reader.skip()
    while (reader.takeIf('@')) {
      reader.name()
      if (reader.current === '(') reader.skip()
    }
    if (reader.current === '{') reader.skip()
  }
  return fields
}
