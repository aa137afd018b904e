import { expectArgs, noBlock, onlyDirective, type PluginDefinition } from '../../core/setup.ts'

const name = 'debug'

export const debug: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    expectArgs(directive, name, { min: 0 })
    noBlock(directive, name)
    c.block.debug = true
    // A logger of the DNS component alone: the rest of the agent stays as quiet as it was.
    c.log.level = 'debug'
    return undefined
  },
}
