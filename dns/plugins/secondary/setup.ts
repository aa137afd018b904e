import { type HostPort, parseHostPort } from '../../core/host-port.ts'
import {
  directiveError,
  expectArgs,
  fallthroughZones,
  type PluginDefinition,
  readProperties,
  zonesOrBlock,
} from '../../core/setup.ts'
import { SecondaryPlugin } from './secondary.ts'

const name = 'secondary'

export const secondary: PluginDefinition = {
  name,
  setup: (c) =>
    c.directives.map((directive) => {
      const zones = zonesOrBlock(expectArgs(directive, name, { min: 0, max: 1000 }), c, name)
      const primaries: HostPort[] = []
      const state = {
        catalog: undefined as readonly string[] | undefined,
        fallthrough: undefined as readonly string[] | undefined,
      }
      readProperties(directive, name, {
        transfer: (line) => {
          const [from, ...addresses] = expectArgs(line, name, { min: 2, max: 1000 })
          if (from?.text !== 'from')
            throw directiveError(from ?? line, name, `'${from?.text}' must be: transfer from ADDRESS...`)
          for (const argument of addresses) {
            const at = parseHostPort(argument.text, 53)?.at
            if (at === undefined) throw directiveError(argument, name, `'${argument.text}' is no address`)
            primaries.push(at)
          }
        },
        catalog: (line) => {
          state.catalog = line.args.length === 0 ? [] : zonesOrBlock(line.args, c, name)
        },
        fallthrough: (line) => {
          state.fallthrough = fallthroughZones(line, c, name)
        },
      })
      if (primaries.length === 0)
        throw directiveError(directive, name, 'needs the line: transfer from ADDRESS...')
      return new SecondaryPlugin({ zones, primaries, ...state }, c.log)
    }),
}
