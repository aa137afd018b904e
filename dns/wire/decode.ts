import { formatAddress } from './address.ts'
import { WireError } from './errors.ts'
import {
  type Edns,
  type EdnsOptionValue,
  Flag,
  type Message,
  type Question,
  type ResourceRecord,
} from './message.ts'
import { readName } from './name.ts'
import { kindOf } from './rdata-kinds.ts'
import { Type } from './registry.ts'

interface Cursor {
  readonly message: Uint8Array
  position: number
}

/** Reads a 16-bit number; throws WireError past the end. */
export function readU16(message: Uint8Array, offset: number): number {
  if (offset + 2 > message.length) throw new WireError('DNS_WIRE_SHORT', 'message ends too early', offset)
  return ((message[offset] as number) << 8) | (message[offset + 1] as number)
}

/** Reads a 32-bit unsigned number; throws WireError past the end. */
export function readU32(message: Uint8Array, offset: number): number {
  return readU16(message, offset) * 65536 + readU16(message, offset + 2)
}

/**
 * Decodes a whole message (RFC 1035 §4). Octets after the last record are ignored, as other servers do.
 * Throws WireError, and nothing else, whatever the octets are.
 */
export function decodeMessage(message: Uint8Array): Message {
  if (message.length < 12)
    throw new WireError('DNS_WIRE_SHORT', 'message is shorter than its header', message.length)
  const flags = readU16(message, 2)
  const cursor: Cursor = { message, position: 12 }
  const questions: Question[] = []
  for (let left = readU16(message, 4); left > 0; left -= 1) questions.push(readQuestion(cursor))
  const found: { edns?: Edns; extendedRcode: number } = { extendedRcode: 0 }
  const answer = readSection(cursor, readU16(message, 6))
  const authority = readSection(cursor, readU16(message, 8))
  const additional = readSection(cursor, readU16(message, 10), found)
  return {
    id: readU16(message, 0),
    response: (flags & Flag.QR) !== 0,
    opcode: (flags >> 11) & 15,
    authoritative: (flags & Flag.AA) !== 0,
    truncated: (flags & Flag.TC) !== 0,
    recursionDesired: (flags & Flag.RD) !== 0,
    recursionAvailable: (flags & Flag.RA) !== 0,
    authenticData: (flags & Flag.AD) !== 0,
    checkingDisabled: (flags & Flag.CD) !== 0,
    rcode: (found.extendedRcode << 4) | (flags & 15),
    questions,
    answer,
    authority,
    additional,
    edns: found.edns,
  }
}

function readQuestion(cursor: Cursor): Question {
  const { name, next } = readName(cursor.message, cursor.position)
  cursor.position = next + 4
  return { name, type: readU16(cursor.message, next), class: readU16(cursor.message, next + 2) }
}

function readSection(
  cursor: Cursor,
  count: number,
  opt?: { edns?: Edns; extendedRcode: number },
): ResourceRecord[] {
  const records: ResourceRecord[] = []
  for (let left = count; left > 0; left -= 1) {
    const { message } = cursor
    const { name, next } = readName(message, cursor.position)
    const type = readU16(message, next)
    const recordClass = readU16(message, next + 2)
    const ttl = readU32(message, next + 4)
    const start = next + 10
    const end = start + readU16(message, next + 8)
    if (end > message.length) throw new WireError('DNS_WIRE_SHORT', 'record data runs past the end', next + 8)
    cursor.position = end
    if (type === Type.OPT) {
      if (opt === undefined || opt.edns !== undefined) {
        throw new WireError(
          'DNS_WIRE_FORMAT',
          'OPT may occur once, in the additional section (RFC 6891 §6.1.1)',
          next,
        )
      }
      if (name !== '.') throw new WireError('DNS_WIRE_FORMAT', 'the owner of OPT must be the root', next)
      opt.edns = readEdns(message, { udpSize: recordClass, ttl, start, end })
      opt.extendedRcode = Math.floor(ttl / 0x1000000)
      continue
    }
    records.push(readRecord(message, { name, type, class: recordClass, ttl }, start, end))
  }
  return records
}

/** The OPT record whose fixed fields and data limits are given. Throws WireError. */
export function readEdns(
  message: Uint8Array,
  at: { udpSize: number; ttl: number; start: number; end: number },
): Edns {
  const options: EdnsOptionValue[] = []
  let position = at.start
  while (position < at.end) {
    if (position + 4 > at.end) throw new WireError('DNS_WIRE_FORMAT', 'EDNS option is cut off', position)
    const code = readU16(message, position)
    const length = readU16(message, position + 2)
    position += 4
    if (position + length > at.end)
      throw new WireError('DNS_WIRE_FORMAT', 'EDNS option runs past OPT', position)
    options.push({ code, data: new Uint8Array(message.subarray(position, position + length)) })
    position += length
  }
  return { udpSize: at.udpSize, version: (at.ttl >>> 16) & 255, dnssecOk: (at.ttl & 0x8000) !== 0, options }
}

interface Head {
  readonly name: string
  readonly type: number
  readonly class: number
  readonly ttl: number
}

function readRecord(message: Uint8Array, head: Head, start: number, end: number): ResourceRecord {
  const { name, type, class: recordClass, ttl } = head
  const fixed = { name, type, class: recordClass, ttl }
  /** Reads a name of the data that has to end where `wanted` says. */
  const lastName = (at: number): string => {
    const read = readName(message, at)
    if (read.next !== end) throw new WireError('DNS_WIRE_FORMAT', 'record data has the wrong length', at)
    return read.name
  }
  const need = (octets: number): void => {
    if (end - start < octets)
      throw new WireError('DNS_WIRE_FORMAT', 'record data is too short for its type', start)
  }
  // RFC 2136 uses empty data for some classes: keep those as octets, whatever the type.
  const kind = end === start ? 'raw' : kindOf(type)
  switch (kind) {
    case 'address': {
      if (end - start !== (type === Type.A ? 4 : 16)) {
        throw new WireError('DNS_WIRE_FORMAT', 'address has the wrong length', start)
      }
      return { ...fixed, kind, address: formatAddress(message.subarray(start, end)) }
    }
    case 'target':
      return { ...fixed, kind, target: lastName(start) }
    case 'preference':
      need(3)
      return { ...fixed, kind, preference: readU16(message, start), target: lastName(start + 2) }
    case 'srv':
      need(7)
      return {
        ...fixed,
        kind,
        priority: readU16(message, start),
        weight: readU16(message, start + 2),
        port: readU16(message, start + 4),
        target: lastName(start + 6),
      }
    case 'soa': {
      const mname = readName(message, start)
      const rname = readName(message, mname.next)
      const at = rname.next
      if (at + 20 !== end) throw new WireError('DNS_WIRE_FORMAT', 'SOA has the wrong length', at)
      return {
        ...fixed,
        kind,
        mname: mname.name,
        rname: rname.name,
        serial: readU32(message, at),
        refresh: readU32(message, at + 4),
        retry: readU32(message, at + 8),
        expire: readU32(message, at + 12),
        minimum: readU32(message, at + 16),
      }
    }
    case 'text': {
      const texts: string[] = []
      for (let position = start; position < end; ) {
        const read = readText(message, position, end)
        texts.push(read.text)
        position = read.next
      }
      return { ...fixed, kind, texts }
    }
    case 'naptr': {
      need(8)
      const flags = readText(message, start + 4, end)
      const service = readText(message, flags.next, end)
      const regexp = readText(message, service.next, end)
      return {
        ...fixed,
        kind,
        order: readU16(message, start),
        preference: readU16(message, start + 2),
        flags: flags.text,
        service: service.text,
        regexp: regexp.text,
        replacement: lastName(regexp.next),
      }
    }
    case 'names': {
      const first = readName(message, start)
      return { ...fixed, kind, names: [first.name, lastName(first.next)] }
    }
    case 'raw':
      return { ...fixed, kind, rdata: new Uint8Array(message.subarray(start, end)) }
  }
}

function readText(message: Uint8Array, position: number, end: number): { text: string; next: number } {
  const length = message[position]
  const next = position + 1 + (length ?? 0)
  if (length === undefined || position >= end || next > end) {
    throw new WireError('DNS_WIRE_FORMAT', 'character string runs past its record', position)
  }
  let text = ''
  for (let i = position + 1; i < next; i += 1) text += String.fromCharCode(message[i] as number)
  return { text, next }
}
