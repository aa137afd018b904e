import {
  directiveError,
  duration,
  expectArgs,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import { isListenAddress, respondText } from '../../http/endpoints.ts'
import { HealthPlugin } from './health.ts'

const name = 'health'

export const health: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [address] = expectArgs(directive, name, { min: 0, max: 1 })
    const listen = address?.text ?? ':8080'
    if (!isListenAddress(listen))
      throw directiveError(address ?? directive, name, `'${listen}' is no address such as :8080`)
    readProperties(directive, name, {
      lameduck: (line) => {
        c.instance.lameduckMs = duration(oneArg(line, name), name)
      },
    })
    c.http.serve(listen, '/health', (_request, response) => respondText(response, 200, 'OK'))
    return new HealthPlugin(c.metrics)
  },
}
