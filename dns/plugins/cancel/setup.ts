import {
  directiveError,
  duration,
  expectArgs,
  noBlock,
  onlyDirective,
  type PluginDefinition,
} from '../../core/setup.ts'
import { CancelPlugin } from './cancel.ts'

const name = 'cancel'
const defaultTimeoutMs = 5001

export const cancel: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [timeout] = expectArgs(directive, name, { min: 0, max: 1 })
    noBlock(directive, name)
    const timeoutMs = timeout === undefined ? defaultTimeoutMs : duration(timeout, name)
    if (timeoutMs <= 0) throw directiveError(timeout ?? directive, name, 'the time must be above 0')
    return new CancelPlugin(timeoutMs)
  },
}
