import { availableParallelism } from 'node:os'
import { expectArgs, integer, noBlock, onlyDirective, type PluginDefinition } from '../../core/setup.ts'
import type { Corefile } from '../../corefile/parse.ts'
import type { Directive } from '../../corefile/tree.ts'

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

/**
 * Directives that want to be alone unless the Corefile says otherwise: NOTIFY reaches one process of several (secondary), a
 * file is written once (sign), an address for collectors is listened on once (dnstap listen).
 */
function wantsOneProcess({ name: directive, args }: Directive): boolean {
  return (
    directive === 'secondary' ||
    directive === 'sign' ||
    (directive === 'dnstap' && args[0]?.text === 'listen')
  )
}

/** The largest number any block asks for; undefined when none has the directive, and nothing wants to be alone. */
export function workersOf(corefile: Corefile): number | undefined {
  const counts = corefile.blocks
    .flatMap(({ directives }) => directives.filter((directive) => directive.name === name))
    .map(({ args: [count] }) => (count === undefined ? availableParallelism() : Number(count.text)))
  if (counts.length > 0) return Math.max(...counts)
  return corefile.blocks.some(({ directives }) => directives.some(wantsOneProcess)) ? 1 : undefined
}
