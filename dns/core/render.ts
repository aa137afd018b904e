import {
  type Edns,
  ednsSize,
  encodeInto,
  type Message,
  Rcode,
  type ResourceRecord,
  Type,
  Writer,
  writeEdns,
} from '../wire/index.ts'
import { shuffleInPlace } from './address-run.ts'
import type { Prepared } from './prepared.ts'
import type { Query } from './query.ts'
import type { Reply } from './reply.ts'

/** Writes the reply to `query` into `out` (64 KiB) and returns its length. Throws WireError if it cannot be written. */
export function render(query: Query, reply: Reply, out: Buffer): number {
  const edns = replyEdns(query, reply)
  if (reply.prepared !== undefined) {
    const length = copyPrepared(query, reply, reply.prepared, edns, out)
    if (length > 0) return length
  }
  return encodeInto(toMessage(query, reply, edns), out, { maxSize: query.maxSize })
}

/** The reply as a message. */
export function toMessage(
  query: Query,
  reply: Reply,
  edns: Edns | undefined = replyEdns(query, reply),
): Message {
  return {
    id: query.id,
    response: true,
    opcode: query.opcode,
    authoritative: reply.authoritative,
    truncated: reply.truncated,
    recursionDesired: reply.recursionDesired ?? query.recursionDesired,
    recursionAvailable: reply.recursionAvailable,
    authenticData: reply.authenticData,
    checkingDisabled: query.checkingDisabled,
    rcode: edns === undefined && reply.rcode > 15 ? Rcode.SERVFAIL : reply.rcode,
    questions: [query.question],
    answer: reply.shuffle ? shuffleAddresses(reply.answer) : reply.answer,
    authority: reply.authority,
    additional: reply.additional,
    edns,
  }
}

/** OPT goes into the reply iff it was in the query (RFC 6891 §6.1.1); size and DO are mirrored. */
function replyEdns(query: Query, reply: Reply): Edns | undefined {
  const asked = query.edns
  if (asked === undefined) return undefined
  return { udpSize: asked.udpSize, version: 0, dnssecOk: asked.dnssecOk, options: reply.options }
}

/** Answers with prepared octets: copy, then patch. 0 if it does not fit; then the message has to be built and cut. */
function copyPrepared(
  query: Query,
  reply: Reply,
  prepared: Prepared,
  edns: Edns | undefined,
  out: Buffer,
): number {
  const { wire } = prepared
  if (prepared.questionEnd !== query.questionEnd) return 0
  const total = wire.length + (edns === undefined ? 0 : ednsSize(edns))
  if (total > query.maxSize || total > out.length) return 0
  wire.copy(out, 0)
  const asked = query.wire
  out[0] = asked[0] as number
  out[1] = asked[1] as number
  // QR, opcode and RD from the query; AA, TC from the reply
  out[2] = 0x80 | ((asked[2] as number) & 0x79) | (reply.authoritative ? 4 : 0) | (reply.truncated ? 2 : 0)
  const rcode = edns === undefined && reply.rcode > 15 ? Rcode.SERVFAIL : reply.rcode
  if (reply.recursionDesired !== undefined)
    out[2] = ((out[2] as number) & 0xfe) | (reply.recursionDesired ? 1 : 0)
  out[3] =
    (reply.recursionAvailable ? 0x80 : 0) |
    (reply.authenticData ? 0x20 : 0) |
    ((asked[3] as number) & 0x10) |
    (rcode & 15)
  const [answers, authorities, additionals] = prepared.counts
  out[4] = 0
  out[5] = 1
  out[6] = answers >> 8
  out[7] = answers
  out[8] = authorities >> 8
  out[9] = authorities
  const arcount = additionals + (edns === undefined ? 0 : 1)
  out[10] = arcount >> 8
  out[11] = arcount
  for (let i = 12; i < prepared.questionEnd; i += 1) out[i] = asked[i] as number
  const { ttl } = reply
  if (ttl !== undefined) for (const offset of prepared.ttlOffsets) out.writeUInt32BE(ttl, offset)
  if (reply.shuffle && prepared.addresses !== undefined) shuffleInPlace(out, prepared.addresses)
  if (edns === undefined) return wire.length
  const writer = new Writer(out)
  writer.length = wire.length
  writeEdns(writer, edns, reply.rcode)
  return writer.length
}

/** A, AAAA and MX records in random order; CNAMEs first, everything else keeps its order. */
function shuffleAddresses(records: readonly ResourceRecord[]): readonly ResourceRecord[] {
  const moving = records.filter(
    (record) => record.type === Type.A || record.type === Type.AAAA || record.type === Type.MX,
  )
  if (moving.length < 2) return records
  const cnames = records.filter((record) => record.type === Type.CNAME)
  const others = records.filter((record) => !moving.includes(record) && record.type !== Type.CNAME)
  for (let i = moving.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1))
    const swap = moving[i] as ResourceRecord
    moving[i] = moving[j] as ResourceRecord
    moving[j] = swap
  }
  return [...cnames, ...others, ...moving]
}
