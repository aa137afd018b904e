import type { Kind } from '#watch'
import type { Corefile } from '../corefile/parse.ts'
import type { Directive } from '../corefile/tree.ts'

/** Plugins that look at the pod a query comes from. */
const askingForPods = new Set(['autopath', 'metadata', 'template', 'view'])

/** What a worker's replica has to hold: Pods, most of what a cluster consists of, and ServiceImports only where asked for. */
export function kindsFor(corefile: Corefile): readonly Kind[] {
  const directives = corefile.blocks.flatMap((block) => block.directives)
  const needPods = directives.some(({ name }) => askingForPods.has(name)) || directives.some(verifiesPods)
  return [
    'Service',
    'EndpointSlice',
    'Namespace',
    ...(needPods ? (['Pod'] as const) : []),
    ...(directives.some(isMulticluster) ? (['ServiceImport'] as const) : []),
  ]
}

function verifiesPods(directive: Directive): boolean {
  const verified = (line: Directive): boolean => line.name === 'pods' && line.args[0]?.text === 'verified'
  return directive.name === 'kubernetes' && (directive.block ?? []).some(verified)
}

function isMulticluster(directive: Directive): boolean {
  return (
    directive.name === 'kubernetes' && (directive.block ?? []).some(({ name }) => name === 'multicluster')
  )
}
