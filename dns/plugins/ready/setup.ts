import {
  directiveError,
  expectArgs,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import { isListenAddress, respondText } from '../../http/endpoints.ts'
import { Readiness } from './ready.ts'

const name = 'ready'

export const ready: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [address] = expectArgs(directive, name, { min: 0, max: 1 })
    const listen = address?.text ?? ':8181'
    if (!isListenAddress(listen))
      throw directiveError(address ?? directive, name, `'${listen}' is no address such as :8181`)
    let monitor: 'until-ready' | 'continuously' = 'until-ready'
    readProperties(directive, name, {
      monitor: (line) => {
        const value = oneArg(line, name)
        if (value.text !== 'until-ready' && value.text !== 'continuously') {
          throw directiveError(value, name, `monitor '${value.text}' must be until-ready or continuously`)
        }
        monitor = value.text
      },
    })
    const readiness = new Readiness(() => c.instance.blocks.flatMap((block) => block.plugins), monitor)
    c.http.serve(listen, '/ready', (_request, response) => {
      const unready = readiness.unready()
      if (unready.length === 0) respondText(response, 200, 'OK')
      else respondText(response, 503, unready.join(','))
    })
    return undefined
  },
}
