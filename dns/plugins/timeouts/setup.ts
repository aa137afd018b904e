import {
  directiveError,
  duration,
  expectArgs,
  integer,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import type { Directive } from '../../corefile/tree.ts'

const name = 'timeouts'
const longest = 24 * 3600 * 1000

export const timeouts: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    expectArgs(directive, name, { min: 0 })
    if ((directive.block ?? []).length === 0)
      throw directiveError(directive, name, 'needs at least one of read, write, idle, maxtcpqueries')
    const time = (line: Directive): number => {
      const argument = oneArg(line, name)
      const value = duration(argument, name, { bareSeconds: true })
      if (value < 1000 || value > longest) throw directiveError(argument, name, 'must be from 1s to 24h')
      return value
    }
    readProperties(directive, name, {
      read: (line) => void (c.block.tcp.readTimeoutMs = time(line)),
      write: (line) => void (c.block.tcp.writeTimeoutMs = time(line)),
      idle: (line) => void (c.block.tcp.idleTimeoutMs = time(line)),
      maxtcpqueries: (line) => {
        const value = integer(oneArg(line, name), name, { min: -1, max: 1_000_000_000 })
        c.block.tcp.maxQueries = Math.max(0, value)
      },
    })
    return undefined
  },
}
