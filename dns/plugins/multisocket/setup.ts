import { availableParallelism } from 'node:os'
import { expectArgs, integer, noBlock, onlyDirective, type PluginDefinition } from '../../core/setup.ts'
import type { Corefile } from '../../corefile/parse.ts'

const name = 'multisocket'
const most = 1024

/** `multisocket [N]`: the number of processes that answer, each with sockets of its own. See README.md. */
export const multisocket: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    noBlock(directive, name)
    const [count] = expectArgs(directive, name, { min: 0, max: 1 })
    if (count !== undefined) integer(count, name, { min: 1, max: most })
    return undefined
  },
}

/** The largest number any block asks for; undefined when none has the directive. */
export function workersOf(corefile: Corefile): number | undefined {
  const counts = corefile.blocks
    .flatMap(({ directives }) => directives.filter((directive) => directive.name === name))
    .map(({ args: [count] }) => (count === undefined ? availableParallelism() : Number(count.text)))
  return counts.length === 0 ? undefined : Math.max(...counts)
}
