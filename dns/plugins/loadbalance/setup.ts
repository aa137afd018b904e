import { isAbsolute, join } from 'node:path'
import {
  directiveError,
  duration,
  expectArgs,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import { parseAddress } from '../../wire/index.ts'
import { LoadBalancePlugin, OrderPlugin } from './loadbalance.ts'
import { type Network, preferring, random, weighted } from './order.ts'
import { WeightFile } from './weights.ts'

const name = 'loadbalance'

export const loadbalance: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [policy, file] = expectArgs(directive, name, { min: 0, max: 2 })
    const wanted = policy?.text ?? 'round_robin'
    if (wanted !== 'round_robin' && wanted !== 'weighted')
      throw directiveError(policy ?? directive, name, `policy '${wanted}' must be round_robin or weighted`)
    if ((wanted === 'weighted') !== (file !== undefined))
      throw directiveError(file ?? directive, name, 'weighted, and only weighted, needs a weight file')
    const networks: Network[] = []
    let reloadMs: number | undefined
    readProperties(directive, name, {
      reload: (line) => {
        reloadMs = duration(oneArg(line, name), name)
        if (file === undefined) throw directiveError(line, name, 'reload is for the weight file of weighted')
      },
      prefer: (line) => {
        for (const argument of expectArgs(line, name, { min: 1, max: 1000 })) {
          const [address = '', length = ''] = argument.text.split('/')
          const octets = parseAddress(address)
          const bits = /^\d{1,3}$/.test(length) ? Number(length) : -1
          if (octets === undefined || bits < 0 || bits > octets.length * 8)
            throw directiveError(argument, name, `'${argument.text}' is no network`)
          networks.push({ octets, bits })
        }
      },
    })
    if (file === undefined && networks.length === 0) return new LoadBalancePlugin()
    const weights =
      file === undefined
        ? undefined
        : new WeightFile({
            file: isAbsolute(file.text) ? file.text : join(c.block.root, file.text),
            reloadMs: reloadMs ?? 30_000,
            log: c.log,
          })
    const order = weights === undefined ? random : weighted(weights.weightOf)
    return new OrderPlugin(networks.length === 0 ? order : preferring(networks, order), weights)
  },
}
