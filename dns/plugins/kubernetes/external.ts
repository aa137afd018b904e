import { type Outcome, onReply } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'
import { Rcode, type ResourceRecord, Type } from '../../wire/index.ts'
import type { ServiceEntry } from './entry.ts'
import { type Found, noData, targetRecord } from './records.ts'

/** A Service of type ExternalName: CNAME, and for address queries what the whole server knows about its target. */
export function externalAnswer(
  query: Query,
  entry: ServiceEntry,
  make: { readonly ttl: number; reply(found: Found): Reply },
): Found | Outcome {
  const { type } = query
  if (type !== Type.CNAME && type !== Type.A && type !== Type.AAAA) return noData
  const cname = targetRecord(query.originalName, Type.CNAME, entry.externalName, make.ttl)
  const alone: Found = { answer: [cname], additional: [] }
  if (type === Type.CNAME || entry.externalName.toLowerCase() === query.name) return alone
  const inner = query.resolve(entry.externalName)
  if (inner === undefined) return alone
  return onReply(inner, (reply) => {
    const resolved =
      reply.rcode === Rcode.NOERROR ? reply.answer.filter((record) => !same(record, cname)) : []
    return make.reply({ answer: [cname, ...resolved], additional: [] }).with({ truncated: reply.truncated })
  })
}

function same(a: ResourceRecord, b: ResourceRecord): boolean {
  return (
    a.kind === 'target' &&
    b.kind === 'target' &&
    a.type === b.type &&
    a.name === b.name &&
    a.target === b.target
  )
}
