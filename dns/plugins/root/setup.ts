import { statSync } from 'node:fs'
import { noBlock, oneArg, onlyDirective, type PluginDefinition } from '../../core/setup.ts'

const name = 'root'

export const root: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const path = oneArg(directive, name)
    noBlock(directive, name)
    if (statSync(path.text, { throwIfNoEntry: false })?.isDirectory() !== true)
      c.log.warn({ object: `${path.file}:${path.line}` }, `plugin/root: '${path.text}' is no directory`)
    c.block.root = path.text
    return undefined
  },
}
