import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { regexFlags, Substitution } from '../substitution.ts'

export interface Filter {
  readonly regex: string
  readonly replace: string
  readonly scope: 'once' | 'global'
  readonly options: string
}

/** The filters in turn. Throws a sentence about one that cannot be used. */
export function compileFilters(filters: readonly Filter[]): readonly Substitution[] {
  return filters.map(({ regex, replace, scope, options }) => {
    try {
      // Perl's $ also matches in front of the line end a body usually has; JavaScript's does not.
      const source = regex.replace(/(?<!\\)\$$/, '(?=\\n?$)')
      return new Substitution(source, replace, `${regexFlags(options)}${scope === 'global' ? 'g' : ''}`)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`regex "${regex}" validation failed: ${why}`, { cause })
    }
  })
}

type Decode = (body: Buffer, limit: number) => Buffer

const DECODERS: Readonly<Record<string, Decode>> = {
  gzip: (body, maxOutputLength) => gunzipSync(body, { maxOutputLength }),
  br: (body, maxOutputLength) => brotliDecompressSync(body, { maxOutputLength }),
}

/** One answer's body, held until it can be rewritten. */
export class BodyRewrite {
  readonly #filters: readonly Substitution[]
  readonly #decode: Decode | undefined
  readonly #limit: number
  #held: Buffer[] = []
  #size = 0
  #tooLong = false

  static decodes(coding: string | undefined): boolean {
    return coding === undefined || DECODERS[coding] !== undefined
  }

  constructor(
    filters: readonly Substitution[],
    options: { readonly coding: string | undefined; readonly limit: number },
  ) {
    this.#filters = filters
    this.#decode = options.coding === undefined ? undefined : DECODERS[options.coding]
    this.#limit = options.limit
  }

  /** What to send now of the answer. One longer than the limit passes unchanged; if it is compressed, this throws. */
  push(chunk: Buffer | undefined, { last }: { readonly last: boolean }): Buffer | undefined {
    if (this.#tooLong) return chunk
    if (chunk !== undefined) {
      this.#held.push(chunk)
      this.#size += chunk.length
    }
    if (this.#size > this.#limit) {
      if (this.#decode !== undefined) throw new Error(`longer than ${this.#limit} bytes`)
      this.#tooLong = true
      return Buffer.concat(this.#held.splice(0))
    }
    return last ? this.#rewritten(Buffer.concat(this.#held)) : undefined
  }

  #rewritten(sent: Buffer): Buffer {
    const body = this.#decode === undefined ? sent : this.#decode(sent, this.#limit)
    return Buffer.from(
      this.#filters.reduce((text, one) => one.apply(text)?.text ?? text, body.toString('utf8')),
    )
  }
}
