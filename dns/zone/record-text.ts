/** Resource records as zone files write them (RFC 1035 §5, RFC 3597 for unknown types). */
import {
  Class,
  classNumber,
  formatAddress,
  isName,
  isQualified,
  parseAddress,
  type ResourceRecord,
  Type,
  typeNumber,
} from '../wire/index.ts'
import { type Cursor, hexOctets, number, unescapeText } from './data-fields.ts'
import { ZoneError } from './errors.ts'
import { readRawData } from './raw-data.ts'

export interface RecordContext {
  readonly origin: string
  /** owner of the line before, for lines that begin with white space */
  readonly owner: string | undefined
  /** TTL of records that say none */
  readonly ttl: number | undefined
}

/** One token of a zone file; quoted ones are character strings. */
export interface Token {
  readonly text: string
  readonly quoted: boolean
}

/** Reads one record from tokens; the owner is the first, or '' for that of the line before. Throws ZoneError. */
export function readRecord(tokens: readonly Token[], context: RecordContext): ResourceRecord {
  const [first, ...rest] = tokens
  if (first === undefined) throw new ZoneError('a record without an owner')
  const owner = first.text === '' && !first.quoted ? context.owner : qualify(first.text, context.origin)
  if (owner === undefined) throw new ZoneError('the first record has no owner')
  let ttl = context.ttl
  let recordClass: number = Class.IN
  let at = 0
  // TTL and class may come in any order (RFC 1035 §5.1).
  for (; at < rest.length; at += 1) {
    const text = rest[at]?.text ?? ''
    const seconds = parseTtl(text)
    if (seconds !== undefined) ttl = seconds
    else if (typeNumber(text) === undefined && classNumber(text) !== undefined)
      recordClass = classNumber(text) ?? 1
    else break
  }
  const typeText = rest[at]?.text ?? ''
  const type = typeNumber(typeText)
  if (type === undefined) throw new ZoneError(`'${typeText}' is no record type`)
  const head = { name: owner, type, class: recordClass, ttl: ttl ?? 3600 }
  return readData(head, rest.slice(at + 1), context.origin)
}

/** Seconds: '3600', or with units as BIND has them ('1h30m'). */
export function parseTtl(text: string): number | undefined {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  if (!/^(?:\d{1,9}[smhdw])+$/i.test(text)) return undefined
  const unit: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }
  let total = 0
  for (const [, count, name] of text.toLowerCase().matchAll(/(\d+)([smhdw])/g))
    total += Number(count) * (unit[name ?? 's'] ?? 1)
  return total
}

/** A name of a zone file as a qualified one; '@' is the origin. */
export function qualify(text: string, origin: string): string {
  if (text === '@') return origin
  const name = isQualified(text) ? text : `${text}.${origin === '.' ? '' : origin}`
  if (!isName(name)) throw new ZoneError(`'${text}' is no domain name`)
  return name
}

type Head = { name: string; type: number; class: number; ttl: number }

function readData(head: Head, tokens: readonly Token[], origin: string): ResourceRecord {
  const text = (i: number): string => {
    const token = tokens[i]
    if (token === undefined) throw new ZoneError('the record ends too early')
    return token.text
  }
  const name = (i: number): string => qualify(text(i), origin)
  const seconds = (i: number): number => {
    const value = parseTtl(text(i))
    if (value === undefined) throw new ZoneError(`'${text(i)}' is no time`)
    return value
  }
  if (tokens[0]?.text === '\\#')
    return {
      ...head,
      kind: 'raw',
      rdata: hexOctets(
        tokens
          .slice(2)
          .map((token) => token.text)
          .join(''),
        number(text(1), 65_535),
      ),
    }
  switch (head.type) {
    case Type.A:
    case Type.AAAA: {
      const octets = parseAddress(text(0))
      if (octets?.length !== (head.type === Type.A ? 4 : 16))
        throw new ZoneError(`'${text(0)}' is no address of this type`)
      return { ...head, kind: 'address', address: formatAddress(octets) }
    }
    case Type.NS:
    case Type.CNAME:
    case Type.PTR:
    case Type.DNAME:
    case Type.MB:
    case Type.MG:
    case Type.MR:
      return { ...head, kind: 'target', target: name(0) }
    case Type.MX:
    case Type.AFSDB:
    case Type.RT:
    case Type.KX:
      return { ...head, kind: 'preference', preference: number(text(0), 65_535), target: name(1) }
    case Type.SRV:
      return {
        ...head,
        kind: 'srv',
        priority: number(text(0), 65_535),
        weight: number(text(1), 65_535),
        port: number(text(2), 65_535),
        target: name(3),
      }
    case Type.SOA:
      return {
        ...head,
        kind: 'soa',
        mname: name(0),
        rname: name(1),
        serial: number(text(2), 0xffffffff),
        refresh: seconds(3),
        retry: seconds(4),
        expire: seconds(5),
        minimum: seconds(6),
      }
    case Type.TXT:
    case Type.SPF:
    case Type.HINFO:
      text(0)
      return { ...head, kind: 'text', texts: tokens.map((token) => unescapeText(token.text)) }
    case Type.NAPTR:
      return {
        ...head,
        kind: 'naptr',
        order: number(text(0), 65_535),
        preference: number(text(1), 65_535),
        flags: text(2),
        service: text(3),
        regexp: unescapeText(text(4)),
        replacement: name(5),
      }
    case Type.RP:
    case Type.MINFO:
      return { ...head, kind: 'names', names: [name(0), name(1)] }
    default: {
      const rdata = readRawData(head.type, cursorOver(tokens, origin))
      if (rdata !== undefined) return { ...head, kind: 'raw', rdata }
      throw new ZoneError('records of this type have to be written in the form of RFC 3597 (\\# LENGTH HEX)')
    }
  }
}

function cursorOver(tokens: readonly Token[], origin: string): Cursor {
  let at = 0
  const next = (): Token => {
    const token = tokens[at]
    if (token === undefined) throw new ZoneError('the record ends too early')
    at += 1
    return token
  }
  return {
    next,
    rest: () => tokens.slice(at, (at = tokens.length)),
    name: () => qualify(next().text, origin),
  }
}
