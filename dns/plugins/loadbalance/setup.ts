import {
  directiveError,
  expectArgs,
  noBlock,
  onlyDirective,
  type PluginDefinition,
} from '../../core/setup.ts'
import { LoadBalancePlugin } from './loadbalance.ts'

const name = 'loadbalance'

export const loadbalance: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [policy] = expectArgs(directive, name, { min: 0, max: 1 })
    if (policy !== undefined && policy.text !== 'round_robin') {
      throw directiveError(
        policy,
        name,
        `policy '${policy.text}' is not supported: only round_robin is (weighted is planned)`,
      )
    }
    noBlock(directive, name)
    return new LoadBalancePlugin()
  },
}
