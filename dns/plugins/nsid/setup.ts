import { hostname } from 'node:os'
import { directiveError, noBlock, onlyDirective, type PluginDefinition } from '../../core/setup.ts'
import { NsidPlugin } from './nsid.ts'

const name = 'nsid'

export const nsid: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    noBlock(directive, name)
    const text = directive.args.map((argument) => argument.text).join(' ')
    if (text.length > 512) throw directiveError(directive, name, 'the identifier is longer than 512 octets')
    return new NsidPlugin(text === '' ? hostname() : text)
  },
}
