import {
  directiveError,
  duration,
  expectArgs,
  onlyDirective,
  type PluginDefinition,
  readProperties,
} from '../../core/setup.ts'
import { type Consolidation, type ErrorLevel, ErrorsPlugin } from './errors.ts'

const name = 'errors'
const levels: Readonly<Record<string, ErrorLevel>> = {
  warning: 'warn',
  error: 'error',
  info: 'info',
  debug: 'debug',
}

export const errors: PluginDefinition = {
  name,
  setup: (c) => {
    const directive = onlyDirective(c)
    const [sink] = expectArgs(directive, name, { min: 0, max: 1 })
    if (sink !== undefined && sink.text !== 'stdout')
      throw directiveError(sink, name, "the only log that can be named is 'stdout'")
    let stacktrace = false
    const consolidations: Consolidation[] = []
    readProperties(directive, name, {
      stacktrace: (line) => {
        expectArgs(line, name, { min: 0 })
        stacktrace = true
      },
      consolidate: (line) => {
        const [period, pattern, ...rest] = expectArgs(line, name, { min: 2, max: 4 })
        if (period === undefined || pattern === undefined) return
        if (pattern.text.length > 10_000)
          throw directiveError(pattern, name, 'the pattern is longer than 10000 characters')
        let regexp: RegExp
        try {
          regexp = new RegExp(pattern.text)
        } catch (error) {
          throw directiveError(pattern, name, `'${pattern.text}' is no regular expression: ${String(error)}`)
        }
        let level: ErrorLevel = 'error'
        let showFirst = false
        for (const argument of rest) {
          const known = levels[argument.text]
          if (known !== undefined) level = known
          else if (argument.text === 'show_first') showFirst = true
          else throw directiveError(argument, name, `'${argument.text}' is neither a level nor show_first`)
        }
        consolidations.push({ periodMs: duration(period, name), pattern: regexp, level, showFirst })
      },
    })
    return new ErrorsPlugin({ log: c.log, stacktrace, consolidations })
  },
}
