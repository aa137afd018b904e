import type { RequestContext } from '../dataplane/context.ts'
import { compileRegex } from '../route/index.ts'

/** What a group of a match holds: by number, 0 being the whole. */
export type Captures = readonly (string | undefined)[]

const CAPTURE = /(\$\$|\$\{\d+\}|\$\d+)/

/** Fills `$1` and `${1}` in a template by what was captured; `$$` is a dollar. What was captured is not looked into again. */
function fill(template: string, captures: Captures, between: (text: string) => string): string {
  return template
    .split(CAPTURE)
    .map((part, at) => {
      if (at % 2 === 0) return between(part)
      return part === '$$' ? '$' : (captures[Number(part.replace(/\D/g, ''))] ?? '')
    })
    .join('')
}

/** As fill, with the variables of a request in the rest of the template. */
export function expandWith(template: string, captures: Captures, context: RequestContext): string {
  return fill(template, captures, (text) => context.expand(text))
}

/** A regular expression and what its match is replaced by, as nginx's Lua module has them in `ngx.re.sub`. */
export class Substitution {
  readonly #regex: RegExp
  readonly #template: string

  /** `flags` are JavaScript's. Throws a sentence if one of the two cannot be used. */
  constructor(source: string, template: string, flags = 'u') {
    this.#regex = compileRegex(source, flags)
    this.#template = template
    if (template.split(CAPTURE).some((part, at) => at % 2 === 0 && part.includes('$')))
      throw new Error('invalid capturing variable name found')
  }

  /** The text with its match (with flag g: each) replaced; undefined if there is none. */
  apply(text: string): { readonly text: string; readonly captures: Captures } | undefined {
    this.#regex.lastIndex = 0
    const captures = this.#regex.exec(text)
    if (captures === null) return undefined
    this.#regex.lastIndex = 0
    const replaced = text.replace(this.#regex, (...match: unknown[]) => {
      const groups = match.slice(
        0,
        match.findIndex((one) => typeof one === 'number'),
      )
      return fill(this.#template, groups as Captures, (part) => part)
    })
    return { text: replaced, captures }
  }
}

/** JavaScript's flags for those of PCRE as `ngx.re` takes them; a sentence names one that it does not know. */
export function regexFlags(options: string): string {
  const unknown = /[^adijJmosuUx]/.exec(options)
  if (unknown !== null) throw new Error(`unknown flag "${unknown[0]}" (flags "${options}")`)
  return `u${[...new Set(options.replace(/[^ims]/g, ''))].join('')}`
}
