import { noBlock, onlyDirective, type PluginDefinition } from '../../core/setup.ts'
import { ChaosPlugin } from './chaos.ts'

const name = 'chaos'

export const chaos: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    noBlock(directive, name)
    const [version, ...authors] = directive.args.map((argument) => argument.text)
    c.block.anyClass = true
    return new ChaosPlugin({ version: version ?? 'Plexus', authors })
  },
}
