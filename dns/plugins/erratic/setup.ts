import {
  duration,
  expectArgs,
  integer,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import type { Directive } from '../../corefile/tree.ts'
import { ErraticPlugin } from './erratic.ts'

const name = 'erratic'

export const erratic: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    expectArgs(directive, name, { min: 0 })
    const state = { drop: -1, truncate: 0, delay: 0, delayMs: 100, large: false }
    const amount = (line: Directive, max = 1): number => {
      const [every] = expectArgs(line, name, { min: 0, max })
      return every === undefined ? 2 : integer(every, name, { min: 0, max: 1_000_000_000 })
    }
    readProperties(directive, name, {
      drop: (line) => {
        state.drop = amount(line)
      },
      truncate: (line) => {
        state.truncate = amount(line)
      },
      delay: (line) => {
        state.delay = amount(line, 2)
        const [, time] = line.args
        if (time !== undefined) state.delayMs = duration(time, name)
      },
      large: (line) => {
        expectArgs(line, name, { min: 0 })
        state.large = true
      },
    })
    // Told nothing, it drops; told to do something else, it does only that.
    const drop = state.drop >= 0 ? state.drop : state.truncate > 0 || state.delay > 0 ? 0 : 2
    return new ErraticPlugin({ ...state, drop })
  },
}
