import { onReply } from '../../core/plugin.ts'
import { directiveError } from '../../core/setup.ts'
import type { Argument } from '../../corefile/tree.ts'
import {
  classNumber,
  isSubdomain,
  Rcode,
  type ResourceRecord,
  rcodeNumber,
  Type,
  typeNumber,
} from '../../wire/index.ts'
import { compileChange, compileTest, isMatchKind, type MatchKind } from './name-match.ts'
import type { Apply } from './rule.ts'

const rcodes: ReadonlySet<number> = new Set(Object.values(Rcode))

/** `[KIND] NAME ...` */
function takeMatch(
  args: readonly Argument[],
  at: Argument,
): { kind: MatchKind; name: Argument; rest: readonly Argument[] } {
  const [first, ...others] = args
  const named = first !== undefined && isMatchKind(first.text)
  const [name, ...rest] = named ? others : args
  if (name === undefined) throw directiveError(at, 'rewrite', 'a name is missing')
  return { kind: named && isMatchKind(first.text) ? first.text : 'exact', name, rest }
}

/** `type FROM TO`, `class FROM TO` */
export function numberRule(field: 'type' | 'class', args: readonly Argument[], at: Argument): Apply {
  const [from, to] = args.map((argument) => {
    const value = field === 'type' ? typeNumber(argument.text) : classNumber(argument.text)
    if (value === undefined) throw directiveError(argument, 'rewrite', `'${argument.text}' is no ${field}`)
    return value
  })
  if (from === undefined || to === undefined || args.length > 2)
    throw directiveError(at, 'rewrite', `${field} needs FROM and TO`)
  return (query) => (query[field] === from ? { query: query.derive({ [field]: to }) } : undefined)
}

/** `ttl [KIND] NAME SECONDS|MIN-MAX` */
export function ttlRule(args: readonly Argument[], at: Argument): Apply {
  const { kind, name, rest } = takeMatch(args, at)
  const [limits] = rest
  const match = /^(?:(\d{1,10})|(\d{0,10})-(\d{0,10}))$/.exec(limits?.text ?? '')
  if (limits === undefined || match === null || limits.text === '-')
    throw directiveError(limits ?? at, 'rewrite', 'ttl needs a name and seconds: 30, 5-60, 5- or -60')
  const [, fixed, low, high] = match
  const min = Number(fixed ?? (low || 0))
  const max = Number(fixed ?? (high || 0x7fffffff))
  if (min > max)
    throw directiveError(limits, 'rewrite', `'${limits.text}': the lower limit is above the upper`)
  const fits = compileTest(kind, name)
  const bounded = (records: readonly ResourceRecord[]): ResourceRecord[] =>
    records.map((record) => ({ ...record, ttl: Math.min(max, Math.max(min, record.ttl)) }))
  return (query) =>
    fits(query.name)
      ? {
          answer: (reply) =>
            reply.with({
              answer: bounded(reply.answer),
              authority: bounded(reply.authority),
              additional: bounded(reply.additional),
            }),
        }
      : undefined
}

/** `rcode [KIND] NAME FROM TO` */
export function rcodeRule(args: readonly Argument[], at: Argument): Apply {
  const { kind, name, rest } = takeMatch(args, at)
  const [from, to] = rest.map((argument) => {
    const code = /^\d+$/.test(argument.text) ? Number(argument.text) : rcodeNumber(argument.text)
    if (code === undefined || (/^\d+$/.test(argument.text) && !rcodes.has(code)))
      throw directiveError(argument, 'rewrite', `'${argument.text}' is no response code`)
    return code
  })
  if (from === undefined || to === undefined)
    throw directiveError(at, 'rewrite', 'rcode needs a name, FROM and TO')
  const fits = compileTest(kind, name)
  return (query) =>
    fits(query.name)
      ? { answer: (reply) => (reply.rcode === from ? reply.with({ rcode: to, error: undefined }) : reply) }
      : undefined
}

/** `cname [KIND] FROM TO`: another target of a CNAME, with what the server knows about it. */
export function cnameRule(args: readonly Argument[], at: Argument): Apply {
  const { kind, name, rest } = takeMatch(args, at)
  const [to] = rest
  if (to === undefined) throw directiveError(at, 'rewrite', 'cname needs FROM and TO')
  const change = compileChange(kind, name, to)
  return (query) => ({
    answer: (reply) => {
      const at = reply.answer.findIndex(
        (record) =>
          record.kind === 'target' &&
          record.type === Type.CNAME &&
          change(record.target.toLowerCase()) !== undefined,
      )
      const record = reply.answer[at]
      if (record?.kind !== 'target') return reply
      const target = change(record.target.toLowerCase()) ?? record.target
      const before = [...reply.answer.slice(0, at), { ...record, target }]
      const inner =
        query.type === Type.CNAME || isSubdomain(query.name, target) ? undefined : query.resolve(target)
      if (inner === undefined) return reply.with({ answer: before })
      return onReply(inner, (found) =>
        reply.with({
          // The code is that of the end of the chain, which is another one now.
          rcode: found.rcode,
          answer: [...before, ...(found.rcode === Rcode.NOERROR ? found.answer : [])],
        }),
      )
    },
  })
}
