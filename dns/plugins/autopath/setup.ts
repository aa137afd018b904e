import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import {
  directiveError,
  expectArgs,
  noBlock,
  onlyDirective,
  type PluginDefinition,
  zonesOrBlock,
} from '../../core/setup.ts'
import type { Argument } from '../../corefile/tree.ts'
import { canonicalName } from '../../wire/index.ts'
import { AutopathPlugin, type SearchPath } from './autopath.ts'

const name = 'autopath'

/** Plugins that know the search path of a client. */
interface KnowsSearchPath extends Plugin {
  searchPath(query: Query): readonly string[] | undefined
}

function knowsSearchPath(plugin: Plugin): plugin is KnowsSearchPath {
  return 'searchPath' in plugin && typeof plugin.searchPath === 'function'
}

export const autopath: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    noBlock(directive, name)
    const args = expectArgs(directive, name, { min: 1, max: 1000 })
    const source = args.at(-1) as Argument
    const zones = zonesOrBlock(args.slice(0, -1), c, name)
    const success = c.metrics.counter(
      'coredns_autopath_success_total',
      'Queries answered from further down the search path.',
      ['server'],
    )
    let search: SearchPath
    if (source.text.startsWith('@')) {
      const wanted = source.text.slice(1)
      // The plugin comes later in the chain: it is found when the first query comes.
      search = (query) =>
        c.block.plugins
          .filter(knowsSearchPath)
          .find((plugin) => plugin.name === wanted)
          ?.searchPath(query)
      if (wanted !== 'kubernetes')
        throw directiveError(source, name, `'${source.text}' knows no search paths: @kubernetes does`)
    } else {
      const path = readSearch(source, c.block.root)
      search = () => path
    }
    return new AutopathPlugin({ zones, search, success })
  },
}

function readSearch(argument: Argument, root: string): string[] {
  const file = isAbsolute(argument.text) ? argument.text : join(root, argument.text)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw directiveError(
      argument,
      name,
      `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
    )
  }
  const found = [...text.matchAll(/^\s*search\s+(.+)$/gm)].at(-1)?.[1]?.trim().split(/\s+/) ?? []
  return found.map(canonicalName)
}
