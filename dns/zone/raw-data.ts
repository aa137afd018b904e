/** Data of record types that are carried as octets, as zone files write it: a list of fields for each type. */
import { nameOctets, parseIPv4, Type, typeNumber } from '../wire/index.ts'
import { type Cursor, hexOctets, number, u16Octets, u32Octets, unescapeText } from './data-fields.ts'
import { typeBitmap } from './dnssec/bitmap.ts'
import { ZoneError } from './errors.ts'
import { locationData } from './location.ts'
import type { Token } from './record-text.ts'
import { serviceParameters } from './service-parameters.ts'

type Field = (cursor: Cursor) => Uint8Array

const u8: Field = (cursor) => Buffer.from([number(cursor.next().text, 255)])
const u16: Field = (cursor) => u16Octets(number(cursor.next().text, 65_535))
const u32: Field = (cursor) => u32Octets(number(cursor.next().text, 0xffffffff))
const name: Field = (cursor) => nameOctets(cursor.name())
const type: Field = (cursor) => u16Octets(typeOf(cursor.next().text))
const types: Field = (cursor) => typeBitmap(cursor.rest().map(({ text }) => typeOf(text)))
const time: Field = (cursor) => u32Octets(readTime(cursor.next().text))
const string: Field = (cursor) => characterString(cursor.next())
const hex: Field = (cursor) => hexOctets(texts(cursor).join(''))
const base64: Field = (cursor) => Buffer.from(texts(cursor).join(''), 'base64')
const unframed: Field = (cursor) => Buffer.from(unescapeText(cursor.next().text), 'latin1')
const algorithm: Field = (cursor) => Buffer.from([algorithmNumber(cursor.next().text)])
const dashedHex: Field = (cursor) => hexOctets(cursor.next().text.replaceAll('-', ''))
const colonHex: Field = (cursor) => hexOctets(cursor.next().text.replaceAll(':', ''))
/** an octet for the length, then as many: '-' for none */
const salt: Field = (cursor) => {
  const { text } = cursor.next()
  return framed(text === '-' ? Buffer.alloc(0) : hexOctets(text))
}
/** base 32 with extended hexadecimal digits (RFC 5155 §3.3) */
const hashed: Field = (cursor) => framed(base32Octets(cursor.next().text))
const ipv4: Field = (cursor) => {
  const { text } = cursor.next()
  const octets = parseIPv4(text)
  if (octets === undefined) throw new ZoneError(`'${text}' is no IPv4 address`)
  return octets
}

const fieldsOf = new Map<number, readonly Field[]>([
  [Type.LOC, [locationData]],
  [Type.CERT, [u16, u16, algorithm, base64]],
  [Type.DS, [u16, algorithm, u8, hex]],
  [Type.CDS, [u16, algorithm, u8, hex]],
  [Type.SSHFP, [u8, u8, hex]],
  [Type.RRSIG, [type, algorithm, u8, u32, time, time, u16, name, base64]],
  [Type.NSEC, [name, types]],
  [Type.DNSKEY, [u16, u8, algorithm, base64]],
  [Type.CDNSKEY, [u16, u8, algorithm, base64]],
  [Type.DHCID, [base64]],
  [Type.NSEC3, [u8, u8, u16, salt, hashed, types]],
  [Type.NSEC3PARAM, [u8, u8, u16, salt]],
  [Type.TLSA, [u8, u8, u8, hex]],
  [Type.SMIMEA, [u8, u8, u8, hex]],
  [Type.OPENPGPKEY, [base64]],
  [Type.CSYNC, [u32, u16, types]],
  [Type.ZONEMD, [u32, u8, u8, hex]],
  [Type.SVCB, [u16, name, serviceParameters]],
  [Type.HTTPS, [u16, name, serviceParameters]],
  [Type.NID, [u16, colonHex]],
  [Type.L32, [u16, ipv4]],
  [Type.L64, [u16, colonHex]],
  [Type.LP, [u16, name]],
  [Type.EUI48, [dashedHex]],
  [Type.EUI64, [dashedHex]],
  [Type.URI, [u16, u16, unframed]],
  [Type.CAA, [u8, string, unframed]],
])

/** The data of a record, or undefined for types without a form of their own. Throws ZoneError. */
export function readRawData(recordType: number, cursor: Cursor): Buffer | undefined {
  const fields = fieldsOf.get(recordType)
  if (fields === undefined) return undefined
  const octets = Buffer.concat(fields.map((field) => field(cursor)))
  const [more] = cursor.rest()
  if (more !== undefined) throw new ZoneError(`'${more.text}' is more than the record has room for`)
  return octets
}

function texts(cursor: Cursor): string[] {
  return cursor.rest().map(({ text }) => text)
}

function characterString(token: Token): Buffer {
  return framed(Buffer.from(unescapeText(token.text), 'latin1'))
}

function framed(octets: Uint8Array): Buffer {
  if (octets.length > 255) throw new ZoneError('a string of a record has at most 255 octets')
  return Buffer.concat([Buffer.from([octets.length]), octets])
}

function typeOf(text: string): number {
  const value = typeNumber(text)
  if (value === undefined) throw new ZoneError(`'${text}' is no record type`)
  return value
}

/** '20261121152600' or seconds since 1970. */
function readTime(text: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text)
  if (match === null) {
    if (/^\d{1,10}$/.test(text)) return Number(text) >>> 0
    throw new ZoneError(`'${text}' is no time`)
  }
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number)
  return (Date.UTC(year, month - 1, day, hour, minute, second) / 1000) >>> 0
}

/** Of the registry of DNSSEC algorithms; zone files may name them. */
const algorithms: Readonly<Record<string, number>> = {
  RSASHA1: 5,
  'RSASHA1-NSEC3-SHA1': 7,
  RSASHA256: 8,
  RSASHA512: 10,
  ECDSAP256SHA256: 13,
  ECDSAP384SHA384: 14,
  ED25519: 15,
  ED448: 16,
}

function algorithmNumber(text: string): number {
  const upper = text.toUpperCase()
  return Object.hasOwn(algorithms, upper) ? (algorithms[upper] ?? 0) : number(text, 255)
}

function base32Octets(text: string): Buffer {
  let bits = ''
  for (const digit of text.toUpperCase()) {
    const value = '0123456789ABCDEFGHIJKLMNOPQRSTUV'.indexOf(digit)
    if (value < 0) throw new ZoneError(`'${text}' is no hash in base 32`)
    bits += value.toString(2).padStart(5, '0')
  }
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)))
}
