import type { Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'
import { asciiLower, Class, isSubdomain, Opcode, Rcode, type ResourceRecord, Type } from '../../wire/index.ts'

export type Store = 'success' | 'denial'

/** In which store an answer belongs; undefined: it must not be kept (research notes §3.1). */
export function storeFor(query: Query, reply: Reply): Store | undefined {
  if (
    reply.live ||
    reply.truncated ||
    reply.silent ||
    reply.error !== undefined ||
    query.opcode !== Opcode.QUERY
  )
    return undefined
  if (query.type === Type.AXFR || query.type === Type.IXFR) return undefined
  switch (reply.rcode) {
    case Rcode.NXDOMAIN:
      return hasSoa(reply) ? 'denial' : undefined
    case Rcode.SERVFAIL:
    case Rcode.NOTIMP:
      return 'denial'
    case Rcode.NOERROR:
      break
    default:
      return undefined
  }
  if (reply.answered) return reaches(query, reply) || hasSoa(reply) ? 'success' : undefined
  return hasSoa(reply) ? 'denial' : 'success'
}

function hasSoa(reply: Reply): boolean {
  return reply.authority.some((record) => record.type === Type.SOA)
}

/** True when the answer has the type asked for at the end of its CNAME chain. */
function reaches(query: Query, reply: Reply): boolean {
  if (query.type === Type.ANY || query.type === Type.CNAME) return true
  let name = query.name
  for (let step = 0; step <= reply.answer.length; step += 1) {
    const own = reply.answer.filter((record) => asciiLower(record.name) === name)
    if (own.some((record) => record.type === query.type)) return true
    const alias = own.find((record) => record.type === Type.CNAME) ?? dnameFor(name, reply.answer)
    if (alias?.kind !== 'target' || alias.type !== Type.CNAME) return false
    name = asciiLower(alias.target)
  }
  return false
}

function dnameFor(name: string, records: readonly ResourceRecord[]): ResourceRecord | undefined {
  return records.find((record) => record.type === Type.CNAME && isSubdomain(name, asciiLower(record.name)))
}

/** DO and CD give answers of their own (RFC 4035 §3.2, §4.7). */
export function cacheKey(query: Query): number {
  const flags = (query.dnssecOk ? 1 : 0) | (query.checkingDisabled ? 2 : 0)
  const key = (query.type << 2) | flags
  return query.class === Class.IN ? key : key + query.class * 0x40000
}

/** Smallest TTL of all records, in seconds; undefined without records. */
export function smallestTtl(reply: Reply): number | undefined {
  if (reply.prepared !== undefined) return reply.ttl ?? reply.prepared.minTtl
  let smallest: number | undefined
  for (const section of [reply.answer, reply.authority, reply.additional]) {
    for (const { ttl } of section) smallest = smallest === undefined ? ttl : Math.min(smallest, ttl)
  }
  return smallest
}
