import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { failure, Reply } from '../../core/reply.ts'
import type { Counter } from '../../metrics/metrics.ts'
import {
  asciiLower,
  className,
  EdnsOption,
  isSubdomain,
  longestZone,
  Rcode,
  type ResourceRecord,
  typeName,
} from '../../wire/index.ts'
import { parseRecord } from '../../zone/master-file.ts'
import { compileTemplate, type Template, type TemplateValue } from './go-template.ts'

/** A template with its text, by which metrics name it. */
export interface SourcedTemplate {
  readonly source: string
  readonly fill: Template
}

export interface TemplateRule {
  /** undefined: every one */
  readonly class: number | undefined
  readonly type: number | undefined
  readonly zones: readonly string[]
  /** empty: every name */
  readonly matches: readonly RegExp[]
  readonly variables: Readonly<Record<string, string>>
  readonly answer: readonly SourcedTemplate[]
  readonly authority: readonly SourcedTemplate[]
  readonly additional: readonly SourcedTemplate[]
  readonly rcode: number
  readonly extendedError: { readonly code: number; readonly text: string } | undefined
  readonly fallthrough: readonly string[] | undefined
}

export interface TemplateMetrics {
  readonly matches: Counter
  readonly templateFailures: Counter
  readonly recordFailures: Counter
}

/** Makes answers out of templates. Rules of a block are tried in the order of the file. */
export class TemplatePlugin implements Plugin {
  readonly name = 'template'
  readonly #rules: readonly TemplateRule[]
  readonly #metrics: TemplateMetrics

  constructor(rules: readonly TemplateRule[], metrics: TemplateMetrics) {
    this.#rules = rules
    this.#metrics = metrics
  }

  handle(query: Query, next: Next): Outcome {
    for (const rule of this.#rules) {
      const zone = longestZone(query.name, rule.zones)
      if (zone === undefined) continue
      if (rule.class !== undefined && rule.class !== query.class) continue
      if (rule.type !== undefined && rule.type !== query.type) continue
      const match = matchOf(rule, query.name)
      if (match === undefined) continue
      this.#count(this.#metrics.matches, query, zone, [className(query.class), typeName(query.type)])
      const { fallthrough } = rule
      const empty = rule.answer.length === 0 && rule.authority.length === 0 && rule.rcode === Rcode.NOERROR
      if (empty && fallthrough?.some((below) => isSubdomain(query.name, below)) === true) continue
      return this.#answer(query, rule, { zone, match })
    }
    return next(query)
  }

  #answer(query: Query, rule: TemplateRule, at: { zone: string; match: RegExpExecArray | null }): Reply {
    const data = dataOf(query, rule, at)
    const scope = [className(query.class), typeName(query.type)]
    const records = (templates: readonly SourcedTemplate[], section: string): ResourceRecord[] =>
      templates.map(({ source, fill }) => {
        let text: string
        try {
          text = fill(data)
        } catch (error) {
          this.#count(this.#metrics.templateFailures, query, at.zone, [...scope, section, source])
          throw error
        }
        try {
          return parseRecord(text)
        } catch (error) {
          this.#count(this.#metrics.recordFailures, query, at.zone, [...scope, section, source])
          throw error
        }
      })
    try {
      const answer = records(rule.answer, 'answer')
      const authority = records(rule.authority, 'authority')
      const additional = records(rule.additional, 'additional')
      const options = rule.extendedError === undefined ? [] : [extendedError(rule.extendedError)]
      const reply = {
        rcode: rule.rcode,
        authoritative: true,
        plugin: this.name,
        options,
        answer,
        authority,
        additional,
      }
      return new Reply(reply)
    } catch (error) {
      return failure(Rcode.SERVFAIL, this.name, error instanceof Error ? error : new Error(String(error)))
    }
  }

  #count(counter: Counter, query: Query, zone: string, labels: readonly string[]): void {
    counter.cell(query.home.label, zone, query.view, ...labels).value += 1
  }
}

/** The match of the name; null where the rule wants none. */
function matchOf(rule: TemplateRule, name: string): RegExpExecArray | null | undefined {
  if (rule.matches.length === 0) return null
  for (const pattern of rule.matches) {
    const match = pattern.exec(name)
    if (match !== null) return match
  }
  return undefined
}

function dataOf(
  query: Query,
  rule: TemplateRule,
  at: { zone: string; match: RegExpExecArray | null },
): TemplateValue {
  const { match } = at
  const base = {
    Zone: at.zone,
    Name: asciiLower(query.originalName),
    Class: className(query.class),
    Type: typeName(query.type),
    Match: match === null ? [query.name] : [...match],
    Group: match === null ? {} : groupsOf(match),
    Question: { Name: query.originalName, Qtype: query.type, Qclass: query.class },
    Message: { Id: query.id, RecursionDesired: query.recursionDesired },
    Remote: query.peer.clientAddress,
    Meta: (label: TemplateValue) => query.labels?.(String(label)) ?? '',
  }
  const variables = Object.entries(rule.variables).map(([key, text]) => [key, compileTemplate(text)(base)])
  return { ...base, Var: Object.fromEntries(variables) as Record<string, string> }
}

function groupsOf(match: RegExpExecArray): Record<string, string> {
  const numbered = [...match].map((text, i) => [String(i), text ?? ''])
  return { ...Object.fromEntries(numbered), ...match.groups } as Record<string, string>
}

function extendedError(error: { code: number; text: string }): { code: number; data: Uint8Array } {
  return {
    code: EdnsOption.EDE,
    data: Buffer.concat([Buffer.from([error.code >> 8, error.code & 255]), Buffer.from(error.text)]),
  }
}
