import { type HostPort, parseHostPort } from '../../core/host-port.ts'
import {
  directiveError,
  expectArgs,
  oneArg,
  type PluginDefinition,
  readProperties,
  zonesOrBlock,
} from '../../core/setup.ts'
import { addressFamily, canonicalAddress } from '../../wire/index.ts'
import { TransferPlugin, type TransferRule } from './transfer.ts'

const name = 'transfer'

export const transfer: PluginDefinition = {
  name,
  setup: (c) => {
    const rules = c.directives.map((directive): TransferRule => {
      const zones = zonesOrBlock(expectArgs(directive, name, { min: 0, max: 1000 }), c, name)
      const clients = new Set<string>()
      const notify: HostPort[] = []
      let source: string | undefined
      readProperties(directive, name, {
        to: (line) => {
          for (const argument of expectArgs(line, name, { min: 1, max: 1000 })) {
            if (argument.text === '*') {
              clients.add('*')
              continue
            }
            const at = parseHostPort(argument.text, 53)?.at
            if (at === undefined) throw directiveError(argument, name, `'${argument.text}' is no address`)
            clients.add(canonicalAddress(at.address))
            notify.push(at)
          }
        },
        source: (line) => {
          const address = oneArg(line, name)
          if (addressFamily(address.text) === undefined)
            throw directiveError(address, name, `'${address.text}' is no address`)
          source = address.text
        },
      })
      if (clients.size === 0) throw directiveError(directive, name, 'needs the line: to ADDRESS...')
      return { zones, clients, notify, source }
    })
    return new TransferPlugin(rules, c.block.plugins, c.log)
  },
}
