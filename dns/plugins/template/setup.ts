import {
  directiveError,
  expectArgs,
  fallthroughZones,
  integer,
  oneArg,
  type PluginDefinition,
  readProperties,
  type Setup,
  zonesOrBlock,
} from '../../core/setup.ts'
import { parseRegexp } from '../../corefile/regexp.ts'
import type { Argument, Directive } from '../../corefile/tree.ts'
import { classNumber, Rcode, rcodeNumber, typeNumber } from '../../wire/index.ts'
import { compileTemplate, TemplateError } from './go-template.ts'
import { type SourcedTemplate, TemplatePlugin, type TemplateRule } from './template.ts'

const name = 'template'

export const template: PluginDefinition = {
  name,
  setup: (c) => {
    const scope = ['server', 'zone', 'view', 'class', 'type']
    const counter = (what: string, help: string, labels: readonly string[]) =>
      c.metrics.counter(`coredns_template_${what}_total`, help, labels)
    const failed = [...scope, 'section', 'template']
    return new TemplatePlugin(
      c.directives.map((directive) => readRule(directive, c)),
      {
        matches: counter('matches', 'Queries that a template answered.', scope),
        templateFailures: counter('template_failures', 'Templates that could not be filled in.', failed),
        recordFailures: counter('rr_failures', 'Templates that gave no record.', failed),
      },
    )
  },
}

function readRule(directive: Directive, c: Setup): TemplateRule {
  const [classText, typeText, ...zones] = expectArgs(directive, name, { min: 2, max: 1000 })
  const numberOf = (
    argument: Argument | undefined,
    find: (text: string) => number | undefined,
  ): number | undefined => {
    if (argument === undefined || argument.text.toUpperCase() === 'ANY') return undefined
    const value = find(argument.text)
    if (value === undefined) throw directiveError(argument, name, `'${argument.text}' is no class or type`)
    return value
  }
  const compiled = (line: Directive): SourcedTemplate[] =>
    expectArgs(line, name, { min: 1, max: 1000 }).map((argument) => {
      try {
        return { source: argument.text, fill: compileTemplate(argument.text) }
      } catch (error) {
        if (error instanceof TemplateError) throw directiveError(argument, name, error.message)
        throw error
      }
    })
  const state = {
    matches: [] as RegExp[],
    variables: {} as Record<string, string>,
    answer: [] as SourcedTemplate[],
    authority: [] as SourcedTemplate[],
    additional: [] as SourcedTemplate[],
    rcode: Rcode.NOERROR as number,
    extendedError: undefined as TemplateRule['extendedError'],
    fallthrough: undefined as readonly string[] | undefined,
  }
  readProperties(directive, name, {
    match: (line) => {
      for (const argument of expectArgs(line, name, { min: 1, max: 1000 })) {
        const pattern = parseRegexp(argument.text)
        if (pattern === undefined)
          throw directiveError(argument, name, `'${argument.text}' is no regular expression`)
        state.matches.push(pattern)
      }
    },
    var: (line) => {
      const [key, text] = expectArgs(line, name, { min: 2 })
      if (key !== undefined && text !== undefined) state.variables[key.text] = text.text
    },
    answer: (line) => void state.answer.push(...compiled(line)),
    authority: (line) => void state.authority.push(...compiled(line)),
    additional: (line) => void state.additional.push(...compiled(line)),
    rcode: (line) => {
      const argument = oneArg(line, name)
      const code = /^\d+$/.test(argument.text) ? Number(argument.text) : rcodeNumber(argument.text)
      if (code === undefined) throw directiveError(argument, name, `'${argument.text}' is no response code`)
      state.rcode = code
    },
    ederror: (line) => {
      const [code, text] = expectArgs(line, name, { min: 1, max: 2 })
      if (code !== undefined)
        state.extendedError = { code: integer(code, name, { min: 0, max: 65_535 }), text: text?.text ?? '' }
    },
    fallthrough: (line) => {
      state.fallthrough = fallthroughZones(line, c, name)
    },
    upstream: () => undefined,
  })
  return {
    class: numberOf(classText, classNumber),
    type: numberOf(typeText, typeNumber),
    zones: zonesOrBlock(zones, c, name),
    ...state,
  }
}
