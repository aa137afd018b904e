import { globSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { CorefileError } from '../errors.ts'
import { newRow, type Token, tokenize } from './lexer.ts'

/** Guards against imports that import themselves. */
const maxSnippetImports = 10_000
const maxFileImports = 100_000

/** What imports need to know and count while one Corefile is read. */
export class Imports {
  readonly environment: NodeJS.ProcessEnv
  readonly snippets = new Map<string, readonly Token[]>()
  /** every file read, the Corefile not included */
  readonly files: string[] = []
  readonly warnings: string[] = []
  #snippetImports = 0
  #fileImports = 0

  constructor(environment: NodeJS.ProcessEnv) {
    this.environment = environment
  }

  /** The tokens that `import argument` stands for. `at` is the import token. */
  expand(at: Token, argument: Token | undefined, rest: Token | undefined): Token[] {
    if (argument === undefined)
      throw new CorefileError('DNS_COREFILE_SYNTAX', at, 'import needs a snippet name or a file')
    if (rest !== undefined) {
      throw new CorefileError(
        'DNS_COREFILE_SYNTAX',
        rest,
        `import takes one argument, '${rest.text}' is one too many`,
      )
    }
    const snippet = this.snippets.get(argument.text)
    if (snippet !== undefined) {
      this.#snippetImports += 1
      if (this.#snippetImports > maxSnippetImports) {
        throw new CorefileError(
          'DNS_COREFILE_SYNTAX',
          at,
          `more than ${maxSnippetImports} snippet imports: is there a cycle?`,
        )
      }
      return freshRows(snippet)
    }
    return this.#files(at, argument).flatMap((file) => {
      this.#fileImports += 1
      if (this.#fileImports > maxFileImports) {
        throw new CorefileError(
          'DNS_COREFILE_SYNTAX',
          at,
          `more than ${maxFileImports} file imports: is there a cycle?`,
        )
      }
      return this.#read(at, file)
    })
  }

  #files(at: Token, argument: Token): string[] {
    const pattern = isAbsolute(argument.text) ? argument.text : join(dirname(argument.file), argument.text)
    const stars = [...argument.text].filter((character) => character === '*').length
    if (stars > 1 || (/[*?]/.test(argument.text) && /[[\]]/.test(argument.text))) {
      throw new CorefileError(
        'DNS_COREFILE_SYNTAX',
        argument,
        `import pattern '${argument.text}' may have one '*' and no '[]'`,
      )
    }
    if (!/[*?]/.test(argument.text)) return [pattern]
    const matches = globSync(pattern)
      .filter((file) => basename(argument.text) !== '*' || !basename(file).startsWith('.'))
      .sort()
    if (matches.length === 0)
      this.warnings.push(`${at.file}:${at.line}: no file matches import '${argument.text}'`)
    return matches
  }

  #read(at: Token, file: string): Token[] {
    try {
      if (statSync(file).isDirectory()) throw new Error('it is a directory')
      const text = readFileSync(file, 'utf8')
      this.files.push(file)
      return tokenize(text, file, this.environment)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new CorefileError(
        'DNS_COREFILE_READ',
        at,
        `cannot import '${file}': ${reason}; there is no snippet of that name either`,
        { cause },
      )
    }
  }
}

/** Copies tokens so that each use of a snippet has lines of its own. */
function freshRows(tokens: readonly Token[]): Token[] {
  const rows = new Map<number, number>()
  return tokens.map((token) => {
    let row = rows.get(token.row)
    if (row === undefined) {
      row = newRow()
      rows.set(token.row, row)
    }
    return { ...token, row }
  })
}
