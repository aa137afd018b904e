import { expectArgs, noBlock, onlyDirective, type PluginDefinition } from '../../core/setup.ts'
import { AnyPlugin } from './any.ts'

const name = 'any'

export const any: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    expectArgs(directive, name, { min: 0 })
    noBlock(directive, name)
    return new AnyPlugin()
  },
}
