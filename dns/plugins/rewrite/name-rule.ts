import { directiveError } from '../../core/setup.ts'
import { fillGroups } from '../../corefile/regexp.ts'
import type { Argument } from '../../corefile/tree.ts'
import { asciiLower, canonicalName, type ResourceRecord } from '../../wire/index.ts'
import { compileChange, isMatchKind, type MatchKind, type NameChange, regexpOf } from './name-match.ts'
import type { Apply } from './rule.ts'

/** `name [KIND] FROM TO [answer auto | answer name FROM TO | answer value FROM TO]...` */
export function nameRule(args: readonly Argument[], at: Argument): Apply {
  const [first, ...others] = args
  const kind: MatchKind = first !== undefined && isMatchKind(first.text) ? first.text : 'exact'
  const [from, to, ...options] = first !== undefined && isMatchKind(first.text) ? others : args
  if (from === undefined || to === undefined) throw directiveError(at, 'rewrite', 'name needs FROM and TO')
  const change = compileChange(kind, from, to)
  const back = readAnswerOptions(options, { kind, from, to })
  return (query) => {
    const name = change(query.name)
    if (name === undefined || name === query.name) return undefined
    const given = query.originalName
    const derived = query.derive({ name })
    return {
      query: derived,
      answer: (reply) => {
        const map = (records: readonly ResourceRecord[]): ResourceRecord[] =>
          records.map((record) => back.reduce((changed, one) => one(changed, { given, asked: name }), record))
        return reply.with({
          answer: map(reply.answer),
          authority: map(reply.authority),
          additional: map(reply.additional),
        })
      },
    }
  }
}

type RecordChange = (record: ResourceRecord, names: { given: string; asked: string }) => ResourceRecord

function readAnswerOptions(
  options: readonly Argument[],
  rule: { kind: MatchKind; from: Argument; to: Argument },
): RecordChange[] {
  const explicit: RecordChange[] = []
  let auto = rule.kind === 'exact'
  let names = 0
  let i = 0
  while (i < options.length) {
    const word = options[i] as Argument
    // The word may be left out before all but the first.
    if (word.text === 'answer') i += 1
    else if (i === 0) throw directiveError(word, 'rewrite', `'${word.text}' must be answer`)
    const [what, from, to] = options.slice(i, i + 3)
    if (what?.text === 'auto') {
      auto = true
      i += 1
      continue
    }
    if (from === undefined || to === undefined || (what?.text !== 'name' && what?.text !== 'value'))
      throw directiveError(what ?? word, 'rewrite', 'answer needs auto, name FROM TO or value FROM TO')
    const change = regexpChange(from, to)
    explicit.push(what.text === 'name' ? owner(change) : value(change))
    if (what.text === 'name') names += 1
    i += 3
  }
  const [first] = options
  if (first !== undefined && auto && names > 0 && rule.kind !== 'exact')
    throw directiveError(first, 'rewrite', 'answer auto and answer name exclude each other')
  // The owner of the answer to the question itself must be what was asked, whatever else is configured.
  if (!auto) return explicit.length === 0 ? [ownerBack] : explicit
  const back = rule.kind === 'suffix' ? everywhere(compileChange('suffix', rule.to, rule.from)) : asAsked
  return [back, ...explicit]
}

function regexpChange(from: Argument, to: Argument): NameChange {
  const pattern = regexpOf(from)
  return (name) => {
    const match = pattern.exec(asciiLower(name))
    return match === null ? undefined : canonicalName(fillGroups(to.text, match))
  }
}

const ownerBack: RecordChange = (record, { given, asked }) =>
  asciiLower(record.name) === asked ? { ...record, name: given } : record

/** What was asked instead, and names below it, become what the client asked for. */
const asAsked: RecordChange = (record, names) => {
  const { given, asked } = names
  const change: NameChange = (name) => {
    const below = asciiLower(name)
    if (below === asked) return given
    return below.endsWith(`.${asked}`) ? name.slice(0, -asked.length) + given : undefined
  }
  return everywhere(change)(record, names)
}

const owner =
  (change: NameChange): RecordChange =>
  (record) => {
    const name = change(asciiLower(record.name))
    return name === undefined ? record : { ...record, name }
  }

const value =
  (change: NameChange): RecordChange =>
  (record) => {
    if ('target' in record) return { ...record, target: change(record.target) ?? record.target }
    if (record.kind === 'soa') return { ...record, mname: change(record.mname) ?? record.mname }
    if (record.kind === 'naptr')
      return { ...record, replacement: change(record.replacement) ?? record.replacement }
    return record
  }

const everywhere =
  (change: NameChange): RecordChange =>
  (record, names) =>
    value(change)(owner(change)(record, names), names)
