import { isAbsolute, join } from 'node:path'
import {
  directiveError,
  expectArgs,
  integer,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
  zonesOrBlock,
} from '../../core/setup.ts'
import { readKey, type ZoneKey } from '../../zone/dnssec/keys.ts'
import { DnssecPlugin } from './dnssec.ts'
import { SignatureMetrics, Signatures } from './signatures.ts'

const name = 'dnssec'

export const dnssec: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const zones = zonesOrBlock(directive.args, c, name)
    const keys: ZoneKey[] = []
    let capacity = 10_000
    readProperties(directive, name, {
      key: (line) => {
        const [from, ...files] = expectArgs(line, name, { min: 2, max: 1000 })
        if (from?.text !== 'file')
          throw directiveError(from ?? line, name, `'${from?.text}': keys are read with: key file KEY...`)
        for (const file of files) {
          try {
            keys.push(readKey(isAbsolute(file.text) ? file.text : join(c.block.root, file.text)))
          } catch (cause) {
            throw directiveError(file, name, cause instanceof Error ? cause.message : String(cause))
          }
        }
      },
      cache_capacity: (line) => {
        capacity = integer(oneArg(line, name), name, { min: 1, max: 100_000_000 })
      },
    })
    if (keys.length === 0) throw directiveError(directive, name, 'needs the line: key file KEY...')
    const metrics = new SignatureMetrics(c.metrics)
    return new DnssecPlugin({
      options: { zones, keys },
      signatures: new Signatures(capacity, metrics),
      metrics,
      servers: c.block.servers,
    })
  },
}
