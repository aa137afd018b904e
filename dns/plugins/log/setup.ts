import { directiveError, expectArgs, type PluginDefinition, readProperties } from '../../core/setup.ts'
import { normalizeZone } from '../../corefile/zone-key.ts'
import { combinedFormat, commonFormat, compileFormat } from './format.ts'
import { type AnswerClass, LogPlugin, type LogRule } from './log.ts'

const name = 'log'
const classes: readonly string[] = ['all', 'success', 'denial', 'error']

export const log: PluginDefinition = {
  name,
  setup: (c) => {
    const rules = c.directives.map((directive): LogRule => {
      const args = [...directive.args]
      let format = commonFormat
      const last = args.at(-1)
      if (last?.text.includes('{') === true) {
        args.pop()
        format =
          last.text === '{combined}' ? combinedFormat : last.text === '{common}' ? commonFormat : last.text
      }
      const zones = args.flatMap((argument) => {
        const zone = normalizeZone(argument.text)
        if (zone === undefined)
          throw directiveError(argument, name, `'${argument.text}' is neither a name nor a format`)
        return zone
      })
      const wanted = new Set<AnswerClass>()
      readProperties(directive, name, {
        class: (line) => {
          for (const argument of expectArgs(line, name, { min: 1, max: 4 })) {
            if (!classes.includes(argument.text)) {
              throw directiveError(
                argument,
                name,
                `class '${argument.text}' must be one of ${classes.join(', ')}`,
              )
            }
            wanted.add(argument.text as AnswerClass)
          }
        },
      })
      if (wanted.size === 0) wanted.add('all')
      return { zones: zones.length === 0 ? ['.'] : zones, classes: wanted, format: compileFormat(format) }
    })
    return new LogPlugin(c.log, rules)
  },
}
