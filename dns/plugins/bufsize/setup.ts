import { expectArgs, integer, noBlock, onlyDirective, type PluginDefinition } from '../../core/setup.ts'
import { BufsizePlugin } from './bufsize.ts'

const name = 'bufsize'
const defaultSize = 1232

export const bufsize: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [size] = expectArgs(directive, name, { min: 0, max: 1 })
    noBlock(directive, name)
    return new BufsizePlugin(size === undefined ? defaultSize : integer(size, name, { min: 512, max: 4096 }))
  },
}
