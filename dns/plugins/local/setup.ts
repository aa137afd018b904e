import {
  directiveError,
  expectArgs,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import { LocalPlugin } from './local.ts'

const name = 'local'

export const local: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    expectArgs(directive, name, { min: 0 })
    let localhostPrefix = true
    readProperties(directive, name, {
      localhost_prefix: (line) => {
        const value = oneArg(line, name)
        if (value.text !== 'on' && value.text !== 'off')
          throw directiveError(value, name, `'${value.text}' must be on or off`)
        localhostPrefix = value.text === 'on'
      },
    })
    const family = c.metrics.counter(
      'coredns_local_localhost_requests_total',
      'Queries for localhost.<domain>.',
    )
    return new LocalPlugin({ localhostPrefix, count: family.cell() })
  },
}
