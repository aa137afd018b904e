import { directiveError, expectArgs, type PluginDefinition, type Setup } from '../../core/setup.ts'
import type { Directive } from '../../corefile/tree.ts'
import { type HeaderFlag, HeaderPlugin, type HeaderRule } from './header.ts'

const name = 'header'

export const header: PluginDefinition = {
  name,
  setup: (c: Setup) => {
    const rules: HeaderRule[] = []
    for (const directive of c.directives) {
      expectArgs(directive, name, { min: 0 })
      for (const line of directive.block ?? []) rules.push(...readLine(line))
    }
    if (rules.length === 0)
      throw directiveError(c.directives[0], name, 'needs lines such as: response set ra')
    return new HeaderPlugin(rules)
  },
}

/** `query|response set|clear FLAGS`; without the first word (as of old) it is about answers. */
function readLine(line: Directive): HeaderRule[] {
  const words = [{ ...line, text: line.name }, ...line.args]
  const [first] = words
  const of = first?.text === 'query' ? 'query' : 'response'
  if (first?.text === 'query' || first?.text === 'response') words.shift()
  const action = words.shift()
  if (action?.text !== 'set' && action?.text !== 'clear')
    throw directiveError(action ?? line, name, `'${action?.text ?? line.name}' must be set or clear`)
  if (words.length === 0) throw directiveError(line, name, 'no flags are named: aa, ra, rd')
  return words.map((word) => {
    if (!isFlag(word.text) || (of === 'query' && word.text !== 'rd'))
      throw directiveError(word, name, `'${word.text}' is no flag of a ${of} that can be changed`)
    return { of, flag: word.text, value: action.text === 'set' }
  })
}

function isFlag(text: string): text is HeaderFlag {
  return text === 'aa' || text === 'ra' || text === 'rd'
}
