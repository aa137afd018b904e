/** DNSSEC records as zone files write them (RFC 4034 §2.2, §3.2, §4.2, §5.3). */
import { type ResourceRecord, readName, readU16, readU32, Type, typeName } from '../../wire/index.ts'
import { bitmapTypes } from './bitmap.ts'

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
