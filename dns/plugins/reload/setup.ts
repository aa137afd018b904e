import {
  directiveError,
  duration,
  expectArgs,
  noBlock,
  onlyDirective,
  type PluginDefinition,
} from '../../core/setup.ts'
import { ReloadPlugin } from './reload.ts'

const name = 'reload'

export const reload: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [intervalArg, jitterArg] = expectArgs(directive, name, { min: 0, max: 2 })
    noBlock(directive, name)
    let interval = intervalArg === undefined ? 30_000 : duration(intervalArg, name)
    let jitter = jitterArg === undefined ? Math.min(15_000, interval / 2) : duration(jitterArg, name)
    if (intervalArg !== undefined && interval < 2000)
      throw directiveError(intervalArg, name, 'the interval must be at least 2s')
    if (jitterArg !== undefined && jitter !== 0 && jitter < 1000)
      throw directiveError(jitterArg, name, 'the jitter must be 0 or at least 1s')
    interval = Math.max(interval, 2000)
    jitter = Math.min(jitter, interval / 2)
    return new ReloadPlugin({
      intervalMs: interval,
      jitterMs: jitter,
      instance: c.instance,
      log: c.log,
      metrics: c.metrics,
    })
  },
}
