/** Order and form of names and records as DNSSEC has them (RFC 4034 §6). */
import { asciiLower, type ResourceRecord, Writer, writeRecord } from '../wire/index.ts'
import { nameLabels } from '../wire/name.ts'

/** The labels of a name from the root down, in lower case, one character per octet: for comparing. */
export function canonicalLabels(name: string): string[] {
  return nameLabels(asciiLower(name))
    .map((label) => Buffer.from(label).toString('latin1'))
    .reverse()
}

/** Negative, 0 or positive as `a` stands before, at or after `b` (RFC 4034 §6.1). */
export function compareLabels(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < a.length && i < b.length; i += 1) {
    const [x = '', y = ''] = [a[i], b[i]]
    if (x !== y) return x < y ? -1 : 1
  }
  return a.length - b.length
}

const workspace = Buffer.allocUnsafeSlow(65_535)

/** Names in the data in lower case (RFC 4034 §6.2, less the types RFC 6840 §5.1 takes out). */
function lowerData(record: ResourceRecord): ResourceRecord {
  switch (record.kind) {
    case 'target':
    case 'preference':
    case 'srv':
      return { ...record, target: asciiLower(record.target) }
    case 'soa':
      return { ...record, mname: asciiLower(record.mname), rname: asciiLower(record.rname) }
    case 'naptr':
      return { ...record, replacement: asciiLower(record.replacement) }
    case 'names':
      return { ...record, names: [asciiLower(record.names[0]), asciiLower(record.names[1])] }
    default:
      return record
  }
}

/** The record's data as octets, without compression, names in lower case. Throws WireError. */
export function canonicalData(record: ResourceRecord): Buffer {
  const writer = new Writer(workspace, { compress: false })
  writeRecord(writer, { ...lowerData(record), name: '.' })
  return Buffer.from(workspace.subarray(11, writer.length))
}

/** Equal for records that are the same in owner, type, class, TTL and data. */
export function recordKey(record: ResourceRecord): string {
  const { name, type, class: recordClass, ttl } = record
  return `${asciiLower(name)} ${type} ${recordClass} ${ttl} ${canonicalData(record).toString('latin1')}`
}
