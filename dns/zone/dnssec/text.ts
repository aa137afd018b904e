/** DNSSEC records as zone files write them (RFC 4034 §2.2, §3.2, §4.2, §5.3). */
import {
  type ResourceRecord,
  readName,
  readU16,
  readU32,
  Type,
  typeName,
  typeNumber,
  Writer,
} from '../../wire/index.ts'
import { ZoneError } from '../errors.ts'
import { bitmapTypes, typeBitmap } from './bitmap.ts'

/** Octets of a name in full. */
export function nameOctets(name: string): Buffer {
  const writer = new Writer(Buffer.alloc(255), { compress: false })
  writer.name(name, { compress: false })
  return writer.buffer.subarray(0, writer.length)
}

/** What a reader of record data gives: see record-text.ts. */
interface Fields {
  text(i: number): string
  name(i: number): string
  number(i: number, max: number): number
  /** all the texts from `i` on */
  rest(i: number): string[]
}

/** The data of a DNSSEC record, or undefined for other types. Throws ZoneError. */
export function readDnssecData(type: number, fields: Fields): Buffer | undefined {
  const { text, name, number, rest } = fields
  const u16 = (value: number): number[] => [value >> 8, value & 255]
  const u32 = (value: number): Buffer => {
    const octets = Buffer.alloc(4)
    octets.writeUInt32BE(value)
    return octets
  }
  switch (type) {
    case Type.DNSKEY:
    case Type.CDNSKEY:
      return Buffer.concat([
        Buffer.from([...u16(number(0, 65_535)), number(1, 255), number(2, 255)]),
        Buffer.from(rest(3).join(''), 'base64'),
      ])
    case Type.RRSIG:
      return Buffer.concat([
        Buffer.from([...u16(typeOf(text(0))), number(1, 255), number(2, 255)]),
        u32(number(3, 0xffffffff)),
        u32(readTime(text(4))),
        u32(readTime(text(5))),
        Buffer.from(u16(number(6, 65_535))),
        nameOctets(name(7)),
        Buffer.from(rest(8).join(''), 'base64'),
      ])
    case Type.NSEC:
      return Buffer.concat([nameOctets(name(0)), typeBitmap(rest(1).map(typeOf))])
    case Type.NSEC3PARAM: {
      const salt = text(3) === '-' ? Buffer.alloc(0) : Buffer.from(text(3), 'hex')
      return Buffer.concat([
        Buffer.from([number(0, 255), number(1, 255), ...u16(number(2, 65_535)), salt.length]),
        salt,
      ])
    }
    default:
      return undefined
  }
}

function typeOf(text: string): number {
  const type = typeNumber(text)
  if (type === undefined) throw new ZoneError(`'${text}' is no record type`)
  return type
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

function formatTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\D/g, '').slice(0, 14)
}

/** One line of a zone file. */
export function formatRecord(record: ResourceRecord): string {
  return `${record.name}\t${record.ttl}\tIN\t${typeName(record.type)}\t${formatData(record)}`
}

function formatData(record: ResourceRecord): string {
  switch (record.kind) {
    case 'address':
      return record.address
    case 'target':
      return record.target
    case 'preference':
      return `${record.preference} ${record.target}`
    case 'srv':
      return `${record.priority} ${record.weight} ${record.port} ${record.target}`
    case 'soa':
      return `${record.mname} ${record.rname} ${record.serial} ${record.refresh} ${record.retry} ${record.expire} ${record.minimum}`
    case 'text':
      return record.texts.map(quoted).join(' ')
    case 'naptr':
      return `${record.order} ${record.preference} ${quoted(record.flags)} ${quoted(record.service)} ${quoted(record.regexp)} ${record.replacement}`
    case 'names':
      return record.names.join(' ')
    case 'raw':
      return formatRaw(record.type, Buffer.from(record.rdata))
  }
}

function quoted(text: string): string {
  const escaped = text.replace(/["\\]|[^ -~]/g, (c) =>
    c === '"' || c === '\\' ? `\\${c}` : `\\${String(c.charCodeAt(0)).padStart(3, '0')}`,
  )
  return `"${escaped}"`
}

function formatRaw(type: number, rdata: Buffer): string {
  switch (type) {
    case Type.DNSKEY:
    case Type.CDNSKEY:
      return `${rdata.readUInt16BE(0)} ${rdata[2]} ${rdata[3]} ${rdata.subarray(4).toString('base64')}`
    case Type.DS:
    case Type.CDS:
      return `${rdata.readUInt16BE(0)} ${rdata[2]} ${rdata[3]} ${rdata.subarray(4).toString('hex')}`
    case Type.RRSIG: {
      const signer = readName(rdata, 18)
      const times = `${formatTime(readU32(rdata, 8))} ${formatTime(readU32(rdata, 12))}`
      const signature = rdata.subarray(signer.next).toString('base64')
      return `${typeName(readU16(rdata, 0))} ${rdata[2]} ${rdata[3]} ${readU32(rdata, 4)} ${times} ${readU16(rdata, 16)} ${signer.name} ${signature}`
    }
    case Type.NSEC: {
      const next = readName(rdata, 0)
      return [next.name, ...bitmapTypes(rdata.subarray(next.next)).map(typeName)].join(' ')
    }
    default:
      return `\\# ${rdata.length} ${rdata.toString('hex')}`
  }
}
