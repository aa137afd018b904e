import {
  asciiLower,
  type Edns,
  Flag,
  nameLength,
  Opcode,
  Rcode,
  readEdns,
  readLowerName,
  readName,
  readU16,
  readU32,
  skipName,
  Type,
  WireError,
} from '../wire/index.ts'
import { type Peer, Query, type QueryHome } from './query.ts'

/** What octets from a client turn out to be. */
export type Received =
  | Query
  /** answer with this header-only (or question and OPT) message */
  | Buffer
  /** no answer: too short, or a response */
  | undefined

/**
 * Judges and reads a query (research notes §3.5): under 12 octets and responses are dropped; opcodes other than QUERY
 * and NOTIFY are NOTIMP; anything but one question, with at most one answer, one authority and two additional records,
 * is FORMERR; EDNS versions above 0 are BADVERS.
 */
export function receive(wire: Uint8Array, peer: Peer, home: QueryHome): Received {
  if (wire.length < 12) return undefined
  const flags = readU16(wire, 2)
  if ((flags & Flag.QR) !== 0) return undefined
  const opcode = (flags >> 11) & 15
  if (opcode !== Opcode.QUERY && opcode !== Opcode.NOTIFY) return headerOnly(wire, Rcode.NOTIMP)
  const answers = readU16(wire, 6)
  const authorities = readU16(wire, 8)
  const additionals = readU16(wire, 10)
  if (readU16(wire, 4) !== 1 || answers > 1 || authorities > 1 || additionals > 2)
    return headerOnly(wire, Rcode.FORMERR)
  try {
    const fast = readLowerName(wire, 12)
    let { name, next: nameEnd } = fast
    if (nameEnd < 0) {
      const exact = readName(wire, 12)
      name = asciiLower(exact.name)
      nameEnd = exact.next
      // A question has nothing before it to point to; answers that are copied rely on it being whole.
      if (nameEnd - 12 !== nameLength(name)) return headerOnly(wire, Rcode.FORMERR)
    }
    const questionEnd = nameEnd + 4
    readU16(wire, nameEnd + 2)
    const edns =
      answers + authorities + additionals === 0
        ? undefined
        : findEdns(wire, questionEnd, { before: answers + authorities, additionals })
    const maxSize = peer.transport === 'udp' ? Math.max(512, edns?.udpSize ?? 512) : 65535
    const query = new Query({ wire, questionEnd, name, edns, peer, home, maxSize })
    if (edns !== undefined && edns.version !== 0) return badVersion(query)
    return query
  } catch (error) {
    if (error instanceof WireError) return headerOnly(wire, Rcode.FORMERR)
    throw error
  }
}

function findEdns(
  wire: Uint8Array,
  start: number,
  counts: { before: number; additionals: number },
): Edns | undefined {
  let position = start
  let edns: Edns | undefined
  for (let i = 0; i < counts.before + counts.additionals; i += 1) {
    const fixed = skipName(wire, position)
    const dataStart = fixed + 10
    const end = dataStart + readU16(wire, fixed + 8)
    if (end > wire.length) throw new WireError('DNS_WIRE_SHORT', 'record data runs past the end', fixed + 8)
    if (readU16(wire, fixed) === Type.OPT) {
      if (i < counts.before || edns !== undefined || fixed !== position + 1) {
        throw new WireError(
          'DNS_WIRE_FORMAT',
          'OPT may occur once, in the additional section, with the root as owner',
        )
      }
      edns = readEdns(wire, {
        udpSize: readU16(wire, fixed + 2),
        ttl: readU32(wire, fixed + 4),
        start: dataStart,
        end,
      })
    }
    position = end
  }
  return edns
}

/** A header-only answer: id, opcode and RD of the query, QR and the code. */
export function headerOnly(wire: Uint8Array, rcode: number): Buffer {
  const reply = Buffer.alloc(12)
  reply.set(wire.subarray(0, 2))
  reply[2] = 0x80 | ((wire[2] as number) & 0x79)
  reply[3] = ((wire[3] as number) & 0x10) | (rcode & 15)
  return reply
}

/** BADVERS: the question and an OPT with our version, 0. */
function badVersion(query: Query): Buffer {
  const question = query.wire.subarray(12, query.questionEnd)
  const head = headerOnly(query.wire, Rcode.BADVERS)
  head[5] = 1
  head[11] = 1
  const opt = Buffer.from([
    0,
    0,
    Type.OPT,
    0x04,
    0xd0,
    Rcode.BADVERS >> 4,
    0,
    query.dnssecOk ? 0x80 : 0,
    0,
    0,
    0,
  ])
  return Buffer.concat([head, question, opt])
}
