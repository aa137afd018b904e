import { expectArgs, noBlock, onlyDirective, type PluginDefinition } from '../../core/setup.ts'
import { MinimalPlugin } from './minimal.ts'

const name = 'minimal'

export const minimal: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    expectArgs(directive, name, { min: 0 })
    noBlock(directive, name)
    return new MinimalPlugin()
  },
}
