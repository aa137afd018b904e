import { asciiLower, nameOctets, type ResourceRecord, splitName, Type } from '../../wire/index.ts'
import { canonicalData } from '../canonical.ts'
import type { ZoneKey } from './keys.ts'

export interface Validity {
  /** seconds since 1970 */
  readonly inception: number
  readonly expiration: number
}

/** The RRSIG of records of one owner and type (RFC 4034 §3.1.8.1). */
export function signRecords(
  records: readonly [ResourceRecord, ...ResourceRecord[]],
  key: ZoneKey,
  zone: string,
  validity: Validity,
): ResourceRecord {
  const [first] = records
  const owner = asciiLower(first.name)
  const labels = splitName(owner)
  const ttl = Math.max(...records.map((record) => record.ttl))
  const head = Buffer.alloc(18)
  head.writeUInt16BE(first.type, 0)
  head[2] = key.algorithm
  head[3] = labels[0] === '*' ? labels.length - 1 : labels.length
  head.writeUInt32BE(ttl, 4)
  head.writeUInt32BE(validity.expiration, 8)
  head.writeUInt32BE(validity.inception, 12)
  head.writeUInt16BE(key.tag, 16)
  const fixed = Buffer.concat([head, nameOctets(asciiLower(zone))])
  const before = Buffer.alloc(8)
  before.writeUInt16BE(first.type, 0)
  before.writeUInt16BE(first.class, 2)
  before.writeUInt32BE(ttl, 4)
  const prefix = Buffer.concat([nameOctets(owner), before])
  // In canonical order, each once (RFC 4034 §6.3).
  const data = [
    ...new Map(
      records.map((record) => canonicalData(record)).map((octets) => [octets.toString('latin1'), octets]),
    ).values(),
  ]
  data.sort(Buffer.compare)
  const parts = data.flatMap((octets) => [
    prefix,
    Buffer.from([octets.length >> 8, octets.length & 255]),
    octets,
  ])
  const signature = key.sign(Buffer.concat([fixed, ...parts]))
  return {
    kind: 'raw',
    name: first.name,
    type: Type.RRSIG,
    class: first.class,
    ttl: first.ttl,
    rdata: Buffer.concat([fixed, signature]),
  }
}

/** Records by owner and type, in the order they came; signatures left out. */
export function recordSets(records: readonly ResourceRecord[]): [ResourceRecord, ...ResourceRecord[]][] {
  const sets = new Map<string, [ResourceRecord, ...ResourceRecord[]]>()
  for (const record of records) {
    if (record.type === Type.RRSIG) continue
    const key = `${asciiLower(record.name)} ${record.type} ${record.class}`
    const set = sets.get(key)
    if (set === undefined) sets.set(key, [record])
    else set.push(record)
  }
  return [...sets.values()]
}
