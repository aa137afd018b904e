import { readFileSync } from 'node:fs'
import { DnsError } from '../errors.ts'
import { Imports } from './imports.ts'
import { type Token, tokenize } from './lexer.ts'
import { type Block, buildDirectives, syntaxError } from './tree.ts'

export interface Corefile {
  readonly file: string
  readonly blocks: readonly Block[]
  /** files read by import, for watching */
  readonly imported: readonly string[]
  readonly warnings: readonly string[]
}

export interface ParseOptions {
  /** for `{$NAME}`; process.env by default */
  readonly environment?: NodeJS.ProcessEnv | undefined
  /** words such as __PILLAR__LOCAL__DNS__ and the text they stand for (NodeLocal DNSCache's templates) */
  readonly pillars?: Readonly<Record<string, string>> | undefined
}

/** Reads and parses a Corefile. Throws DnsError (CorefileError with file and line for what is wrong inside). */
export function readCorefile(file: string, options: ParseOptions = {}): Corefile {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new DnsError('DNS_COREFILE_READ', `cannot read Corefile '${file}': ${reason}`, { cause })
  }
  return parseCorefile(text, file, options)
}

function replacePillars(text: string, pillars: ParseOptions['pillars'] = {}): string {
  return text.replace(/__PILLAR__[A-Z]+(?:__[A-Z]+)*__/g, (word) => pillars[word] ?? word)
}

/**
 * Parses the text of a Corefile (the format of CoreDNS, caddyfile v1); `file` is used in messages and for relative
 * imports. Throws CorefileError.
 */
export function parseCorefile(text: string, file: string, options: ParseOptions = {}): Corefile {
  const environment = options.environment ?? process.env
  const imports = new Imports(environment)
  const tokens = tokenize(replacePillars(text, options.pillars), file, environment)
  const blocks: Block[] = []
  let cursor = 0

  /** Replaces `import X` at the cursor by what it stands for. */
  const doImport = (): void => {
    const at = tokens[cursor] as Token
    const onRow = (offset: number): Token | undefined => {
      const token = tokens[cursor + offset]
      return token?.row === at.row ? token : undefined
    }
    tokens.splice(cursor, 2, ...imports.expand(at, onRow(1), onRow(2)))
  }
  const startsRow = (): boolean => cursor === 0 || tokens[cursor - 1]?.row !== tokens[cursor]?.row

  const keys = (): Token[] => {
    const found: Token[] = []
    let another = false
    let row = -1
    for (;;) {
      const token = tokens[cursor]
      if (token === undefined) {
        const last = found.at(-1)
        if (another && last !== undefined) throw syntaxError(last, 'a key must follow the comma')
        return found
      }
      if (found.length > 0 && !another && token.row !== row) return found
      if (token.text === 'import' && token.brace === undefined && startsRow() && found.length === 0) {
        doImport()
        continue
      }
      if (token.brace === '{') {
        if (another) throw syntaxError(token, "a key must follow the comma, not '{'")
        return found
      }
      if (token.brace === '}') throw syntaxError(token, "'}' without a matching '{'")
      row = token.row
      cursor += 1
      another = token.text.endsWith(',')
      const key = another ? token.text.slice(0, -1) : token.text
      if (key !== '') found.push({ ...token, text: key })
    }
  }

  /** The tokens up to the brace that closes the block, with imports done unless they belong to a snippet. */
  const body = (open: Token | undefined, kind: 'block' | 'snippet'): Token[] => {
    const inner: Token[] = []
    let depth = 0
    for (;;) {
      const token = tokens[cursor]
      if (token === undefined) {
        if (open !== undefined) throw syntaxError(open, "this '{' has no matching '}'")
        return inner
      }
      if (kind === 'block' && token.text === 'import' && token.brace === undefined && startsRow()) {
        doImport()
        continue
      }
      cursor += 1
      if (token.brace === '{') depth += 1
      if (token.brace === '}') {
        const before = tokens[cursor - 2]
        if (before?.row === token.row && before.brace === undefined) {
          throw syntaxError(token, "'}' must stand on a line of its own")
        }
        if (depth === 0) {
          if (open === undefined) throw syntaxError(token, "'}' without a matching '{'")
          return inner
        }
        depth -= 1
      }
      inner.push(token)
    }
  }

  while (cursor < tokens.length) {
    const blockKeys = keys()
    const first = blockKeys[0]
    if (first === undefined) {
      const stray = tokens[cursor]
      if (stray === undefined) break
      throw syntaxError(stray, "'{' without a key before it")
    }
    const open = tokens[cursor]?.brace === '{' ? tokens[cursor] : undefined
    if (open !== undefined) cursor += 1
    const snippet = /^\((.+)\)$/.exec(first.text)?.[1]
    if (snippet !== undefined && blockKeys.length === 1) {
      if (open === undefined) throw syntaxError(first, `snippet (${snippet}) needs a body in braces`)
      if (imports.snippets.has(snippet)) throw syntaxError(first, `snippet (${snippet}) is already defined`)
      imports.snippets.set(snippet, body(open, 'snippet'))
      continue
    }
    const inner = body(open, 'block')
    const after = tokens[cursor]
    const last = tokens[cursor - 1]
    if (open !== undefined && after !== undefined && last !== undefined && after.row === last.row) {
      throw syntaxError(after, `'${after.text}' must start a new line after '}'`)
    }
    blocks.push({
      keys: blockKeys.map(({ text: key, file: keyFile, line }) => ({ text: key, file: keyFile, line })),
      directives: buildDirectives(inner),
      file: first.file,
      line: first.line,
    })
  }
  return { file, blocks, imported: imports.files, warnings: imports.warnings }
}
