import { directiveError, type PluginDefinition } from '../../core/setup.ts'
import type { Argument, Directive } from '../../corefile/tree.ts'
import { ednsRule } from './edns-rule.ts'
import { cnameRule, numberRule, rcodeRule, ttlRule } from './field-rules.ts'
import { nameRule } from './name-rule.ts'
import { RewritePlugin } from './rewrite.ts'
import type { Apply, Rule } from './rule.ts'

const name = 'rewrite'

export const rewrite: PluginDefinition = {
  name,
  setup: (c) => new RewritePlugin(c.directives.map(readRule)),
}

const fields: Readonly<Record<string, (args: readonly Argument[], at: Argument) => Apply>> = {
  name: nameRule,
  type: (args, at) => numberRule('type', args, at),
  class: (args, at) => numberRule('class', args, at),
  ttl: ttlRule,
  rcode: rcodeRule,
  cname: cnameRule,
  edns0: ednsRule,
}

/** `rewrite [continue|stop] FIELD ...`, or the same in a block of lines. */
function readRule(directive: Directive): Rule {
  const lines = (directive.block ?? []).flatMap((line) => [{ ...line, text: line.name }, ...line.args])
  const words: Argument[] = [...directive.args, ...lines]
  const [first] = words
  const mode = first?.text === 'continue' || first?.text === 'stop' ? words.shift()?.text : 'stop'
  const field = words.shift()
  if (field === undefined)
    throw directiveError(directive, name, `needs one of ${Object.keys(fields).join(', ')}`)
  // As of old: `rewrite FROM TO` is about names.
  const reader = Object.hasOwn(fields, field.text) ? fields[field.text] : undefined
  if (reader === undefined)
    throw directiveError(field, name, `'${field.text}' must be one of ${Object.keys(fields).join(', ')}`)
  return { goesOn: mode === 'continue', apply: reader(words, field) }
}
