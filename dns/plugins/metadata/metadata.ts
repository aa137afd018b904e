import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { isSubdomain } from '../../wire/index.ts'

/** Makes labels of the block's plugins available to *log*, *template*, *rewrite* and *view*. */
export class MetadataPlugin implements Plugin {
  readonly name = 'metadata'
  readonly #plugins: readonly Plugin[]
  readonly #zones: readonly string[]

  /** `plugins` of the block; complete when the first query comes. */
  constructor(plugins: readonly Plugin[], zones: readonly string[]) {
    this.#plugins = plugins
    this.#zones = zones
  }

  handle(query: Query, next: Next): Outcome {
    if (!this.#zones.some((zone) => isSubdomain(query.name, zone))) return next(query)
    // Nothing is looked up before somebody asks.
    query.labels = (name) => labelOf(this.#plugins, query, name)
    return next(query)
  }
}

/** The first plugin's answer about a label. */
export function labelOf(plugins: readonly Plugin[], query: Query, name: string): string | undefined {
  for (const plugin of plugins) {
    const value = plugin.label?.(query, name)
    if (value !== undefined) return value
  }
  return undefined
}
