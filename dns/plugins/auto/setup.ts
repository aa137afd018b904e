import { isAbsolute, join } from 'node:path'
import {
  directiveError,
  duration,
  expectArgs,
  oneArg,
  type PluginDefinition,
  readProperties,
  zonesOrBlock,
} from '../../core/setup.ts'
import { parseRegexp } from '../../corefile/regexp.ts'
import { AutoPlugin } from './auto.ts'

const name = 'auto'

export const auto: PluginDefinition = {
  name,
  setup: (c) =>
    c.directives.map((directive) => {
      const zones = zonesOrBlock(expectArgs(directive, name, { min: 0, max: 1000 }), c, name)
      const state = { directory: '', pattern: /db\.(.*)/, origin: '{1}', reloadMs: 60_000 }
      readProperties(directive, name, {
        directory: (line) => {
          const [path, regexp, origin] = expectArgs(line, name, { min: 1, max: 3 })
          if (path === undefined) return
          state.directory = isAbsolute(path.text) ? path.text : join(c.block.root, path.text)
          if (regexp === undefined) return
          const pattern = parseRegexp(regexp.text)
          if (pattern === undefined || origin === undefined)
            throw directiveError(
              regexp,
              name,
              'directory needs DIR, or DIR REGEXP ORIGIN with a regular expression',
            )
          state.pattern = pattern
          state.origin = origin.text
        },
        reload: (line) => {
          state.reloadMs = duration(oneArg(line, name), name)
        },
        upstream: () => undefined,
      })
      if (state.directory === '') throw directiveError(directive, name, 'needs the line: directory DIR')
      return new AutoPlugin({ zones, ...state }, c.log)
    }),
}
