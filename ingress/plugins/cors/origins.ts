import type { JsonObject, Schema } from '../../objects/index.ts'
import { compileRegex } from '../../route/index.ts'

/** `*`, `**`, `null`, or origins separated by commas. */
export const ORIGINS: Schema = {
  type: 'string',
  pattern: '^(\\*|\\*\\*|null|\\w+://[^,]+(,\\w+://[^,]+)*)$',
}

/** A list in a configuration: regular expressions, or names of lists in the metadata. */
export const SOURCES: Schema = {
  type: 'array',
  items: { type: 'string', minLength: 1, maxLength: 4096 },
  minItems: 1,
  uniqueItems: true,
}

/** What to answer to a request from an origin; undefined: nothing. */
export type Origins = (origin: string | undefined) => string | undefined

export function listedOrigins(text: string): Origins {
  if (text === '**') return (origin) => origin ?? '*'
  if (text === '*') return () => '*'
  const listed = new Set(text.split(','))
  return (origin) => (origin !== undefined && listed.has(origin) ? origin : undefined)
}

export function originsByRegex(sources: readonly string[]): Origins {
  const regexes = sources.map((source) => compileRegex(source))
  return (origin) =>
    origin !== undefined && regexes.some((regex) => regex.test(origin)) ? origin : undefined
}

/** Lists by their names in the plugin's metadata, which may change at any time. */
export function originsByMetadata(names: readonly string[], metadata: () => JsonObject): Origins {
  let compiled: { readonly from: JsonObject; readonly lists: readonly Origins[] } | undefined
  return (origin) => {
    const from = metadata()
    if (compiled?.from !== from) {
      const all = (from.allow_origins ?? {}) as Readonly<Record<string, string>>
      const texts = names.flatMap((name) => all[name] ?? [])
      compiled = { from, lists: texts.map(listedOrigins) }
    }
    return compiled.lists.some((list) => list(origin) !== undefined) ? origin : undefined
  }
}
