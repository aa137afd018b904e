/** Which shape the data of a record type has. Types not listed are carried as octets (RFC 3597). */
import type { ResourceRecord } from './message.ts'
import { Type } from './registry.ts'

const kinds = new Map<number, ResourceRecord['kind']>([
  [Type.A, 'address'],
  [Type.AAAA, 'address'],
  [Type.NS, 'target'],
  [Type.CNAME, 'target'],
  [Type.PTR, 'target'],
  [Type.DNAME, 'target'],
  [Type.MB, 'target'],
  [Type.MG, 'target'],
  [Type.MR, 'target'],
  [Type.MD, 'target'],
  [Type.MF, 'target'],
  [Type.MX, 'preference'],
  [Type.AFSDB, 'preference'],
  [Type.RT, 'preference'],
  [Type.KX, 'preference'],
  [Type.SRV, 'srv'],
  [Type.SOA, 'soa'],
  [Type.TXT, 'text'],
  [Type.SPF, 'text'],
  [Type.HINFO, 'text'],
  [Type.NAPTR, 'naptr'],
  [Type.RP, 'names'],
  [Type.MINFO, 'names'],
])

/** Names in the data may be compressed only for the types of RFC 1035 (RFC 3597 §4). */
const compressible = new Set<number>([
  Type.NS,
  Type.CNAME,
  Type.PTR,
  Type.MB,
  Type.MG,
  Type.MR,
  Type.MD,
  Type.MF,
  Type.MX,
  Type.SOA,
  Type.MINFO,
])

/** The shape of a type's data. */
export function kindOf(type: number): ResourceRecord['kind'] {
  return kinds.get(type) ?? 'raw'
}

/** True when names inside the data of this type may be written compressed. */
export function compressesData(type: number): boolean {
  return compressible.has(type)
}
