import { expectArgs, noBlock, onlyDirective, type PluginDefinition, zonesOrBlock } from '../../core/setup.ts'
import { MetadataPlugin } from './metadata.ts'

const name = 'metadata'

export const metadata: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const zones = zonesOrBlock(expectArgs(directive, name, { min: 0, max: 10_000 }), c, name)
    noBlock(directive, name)
    return new MetadataPlugin(c.block.plugins, zones)
  },
}
