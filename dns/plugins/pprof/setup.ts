import {
  directiveError,
  expectArgs,
  integer,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import { isListenAddress } from '../../http/endpoints.ts'
import { PprofPlugin } from './pprof.ts'

const name = 'pprof'

export const pprof: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [address] = expectArgs(directive, name, { min: 0, max: 1 })
    const listen = address?.text ?? 'localhost:6053'
    if (!isListenAddress(listen))
      throw directiveError(address ?? directive, name, `'${listen}' is no address such as localhost:6053`)
    let resolutionMs = 0
    readProperties(directive, name, {
      block: (line) => {
        const [rate] = expectArgs(line, name, { min: 0, max: 1 })
        resolutionMs = rate === undefined ? 1 : integer(rate, name, { min: 1, max: 1_000_000 })
      },
    })
    const plugin = new PprofPlugin({ resolutionMs })
    for (const [path, handler] of Object.entries(plugin.pages)) c.http.serve(listen, path, handler)
    return plugin
  },
}
