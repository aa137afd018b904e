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
  // Answers to the new name are shown under the one the client asked for.
  const changes: RecordChange[] = rule.kind === 'exact' ? [ownerBack] : []
  let i = 0
  while (i < options.length) {
    const word = options[i] as Argument
    if (word.text !== 'answer') throw directiveError(word, 'rewrite', `'${word.text}' must be answer`)
    const what = options[i + 1]
    if (what?.text === 'auto') {
      if (rule.kind !== 'prefix' && rule.kind !== 'suffix' && rule.kind !== 'exact')
        throw directiveError(
          what,
          'rewrite',
          `answer auto is for exact, prefix and suffix, not for ${rule.kind}`,
        )
      if (rule.kind !== 'exact') changes.push(everywhere(compileChange(rule.kind, rule.to, rule.from)))
      i += 2
      continue
    }
    const from = options[i + 2]
    const to = options[i + 3]
    if (from === undefined || to === undefined || (what?.text !== 'name' && what?.text !== 'value'))
      throw directiveError(what ?? word, 'rewrite', 'answer needs auto, name FROM TO or value FROM TO')
    const pattern = regexpOf(from)
    const change: NameChange = (name) => {
      const match = pattern.exec(asciiLower(name))
      return match === null ? undefined : canonicalName(fillGroups(to.text, match))
    }
    changes.push(what.text === 'name' ? owner(change) : value(change))
    i += 4
  }
  // The owner of the answer to the question itself must be what was asked, whatever else is configured.
  return changes.length === 0 ? [ownerBack] : changes
}

const ownerBack: RecordChange = (record, { given, asked }) =>
  asciiLower(record.name) === asked ? { ...record, name: given } : record

const owner =
  (change: NameChange): RecordChange =>
  (record) => {
    const name = change(asciiLower(record.name))
    return name === undefined ? record : { ...record, name }
  }

const value =
  (change: NameChange): RecordChange =>
  (record) => {
    if (!('target' in record)) return record
    const target = change(record.target)
    return target === undefined ? record : { ...record, target }
  }

const everywhere =
  (change: NameChange): RecordChange =>
  (record, names) =>
    value(change)(owner(change)(record, names), names)
