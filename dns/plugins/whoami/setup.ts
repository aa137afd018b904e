import { expectArgs, noBlock, onlyDirective, type PluginDefinition } from '../../core/setup.ts'
import { WhoamiPlugin } from './whoami.ts'

const name = 'whoami'

export const whoami: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    expectArgs(directive, name, { min: 0 })
    noBlock(directive, name)
    return new WhoamiPlugin()
  },
}
