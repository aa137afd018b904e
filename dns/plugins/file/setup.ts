import { isAbsolute, join } from 'node:path'
import {
  directiveError,
  duration,
  expectArgs,
  fallthroughZones,
  noBlock,
  oneArg,
  type PluginDefinition,
  readProperties,
  zonesOrBlock,
} from '../../core/setup.ts'
import { FilePlugin } from './file.ts'

const name = 'file'
const defaultReloadMs = 60_000

/** One plugin for each `file` of the block. */
export const file: PluginDefinition = {
  name,
  setup: (c) =>
    c.directives.map((directive) => {
      const [path, ...zones] = expectArgs(directive, name, { min: 1, max: 1000 })
      if (path === undefined) throw directiveError(directive, name, 'the zone file is missing')
      const state = {
        reloadMs: defaultReloadMs,
        byMtime: false,
        fallthrough: undefined as readonly string[] | undefined,
      }
      readProperties(directive, name, {
        reload: (line) => {
          state.reloadMs = duration(oneArg(line, name), name)
        },
        reload_by_mtime: (line) => {
          noBlock(line, name)
          state.byMtime = true
        },
        fallthrough: (line) => {
          state.fallthrough = fallthroughZones(line, c, name)
        },
        // CNAMEs that lead outside are always followed.
        upstream: () => undefined,
      })
      return new FilePlugin(
        {
          file: isAbsolute(path.text) ? path.text : join(c.block.root, path.text),
          zones: zonesOrBlock(zones, c, name),
          ...state,
        },
        c.log,
      )
    }),
}
