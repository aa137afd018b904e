import { statSync } from 'node:fs'
import { directiveError, noBlock, oneArg, onlyDirective, type PluginDefinition } from '../../core/setup.ts'

const name = 'root'

export const root: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const path = oneArg(directive, name)
    noBlock(directive, name)
    if (statSync(path.text, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw directiveError(path, name, `'${path.text}' is no directory`)
    }
    c.block.root = path.text
    return undefined
  },
}
