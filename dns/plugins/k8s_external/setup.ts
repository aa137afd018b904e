import {
  directiveError,
  expectArgs,
  fallthroughZones,
  integer,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
  zonesOrBlock,
} from '../../core/setup.ts'
import { asciiLower } from '../../wire/index.ts'
import { ExternalPlugin } from './k8s_external.ts'

const name = 'k8s_external'

export const k8sExternal: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const zones = zonesOrBlock(directive.args, c, name)
    const state = {
      apex: 'dns',
      ttl: 5,
      headless: false,
      fallthrough: undefined as readonly string[] | undefined,
    }
    readProperties(directive, name, {
      apex: (line) => {
        const label = oneArg(line, name)
        if (!/^[a-z0-9-]{1,63}$/i.test(label.text))
          throw directiveError(label, name, `'${label.text}' is no label`)
        state.apex = asciiLower(label.text)
      },
      ttl: (line) => {
        state.ttl = integer(oneArg(line, name), name, { min: 0, max: 3600 })
      },
      headless: (line) => {
        expectArgs(line, name, { min: 0 })
        state.headless = true
      },
      fallthrough: (line) => {
        state.fallthrough = fallthroughZones(line, c, name)
      },
    })
    if (c.store === undefined)
      throw directiveError(
        directive,
        name,
        'there is no cluster to answer for: start with --manifests DIR or --kubeconfig FILE',
      )
    return new ExternalPlugin({
      options: { zones, ...state },
      store: c.store,
      block: c.block,
      instance: c.instance,
    })
  },
}
