import type { Next, Outcome } from '../core/plugin.ts'
import { onReply } from '../core/plugin.ts'
import type { Query } from '../core/query.ts'
import { Reply } from '../core/reply.ts'
import { isSubdomain, Rcode } from '../wire/index.ts'
import type { Zone } from './zone.ts'

/** Answers a query from a zone; a CNAME that leads outside is followed by the whole server. */
export function answerFrom(
  zone: Zone,
  query: Query,
  next: Next,
  options: { plugin: string; fallthrough: readonly string[] | undefined },
): Outcome {
  const { leadsTo, emptyNonTerminal, ...found } = zone.lookup({
    name: query.name,
    type: query.type,
    asked: query.originalName,
    dnssec: query.dnssecOk,
  })
  if (
    (found.rcode === Rcode.NXDOMAIN || emptyNonTerminal === true) &&
    options.fallthrough?.some((below) => isSubdomain(query.name, below)) === true
  )
    return next(query)
  const reply = new Reply({ ...found, plugin: options.plugin })
  const inner = leadsTo === undefined ? undefined : query.resolve(leadsTo.name)
  if (leadsTo === undefined || inner === undefined) return reply
  return onReply(inner, (outside) => {
    const nothing = outside.rcode === Rcode.NXDOMAIN || (outside.rcode === Rcode.NOERROR && !outside.answered)
    return reply.with({
      // The code is that of the end of the chain (RFC 6604 §3).
      rcode: nothing || outside.rcode === Rcode.SERVFAIL ? outside.rcode : Rcode.NOERROR,
      answer: [...found.answer, ...outside.answer],
      ...(nothing ? { authority: leadsTo.negative } : {}),
      truncated: outside.truncated,
    })
  })
}
