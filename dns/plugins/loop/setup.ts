import { expectArgs, noBlock, onlyDirective, type PluginDefinition } from '../../core/setup.ts'
import { LoopPlugin } from './loop.ts'

const name = 'loop'

export const loop: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    expectArgs(directive, name, { min: 0 })
    noBlock(directive, name)
    return new LoopPlugin({
      zone: c.block.zones[0] ?? '.',
      log: c.log,
      instance: c.instance,
      block: c.block,
      metrics: c.metrics,
    })
  },
}
