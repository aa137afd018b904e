import {
  asciiLower,
  Class,
  isSubdomain,
  nameOctets,
  type ResourceRecord,
  splitName,
  Type,
} from '../../wire/index.ts'
import { canonicalLabels, compareLabels } from '../canonical.ts'
import type { Zone } from '../zone.ts'
import { typeBitmap } from './bitmap.ts'
import { dnskeyRecord, dsData, type ZoneKey } from './keys.ts'
import { recordSets, signRecords, type Validity } from './signature.ts'

/** Types of DNSSEC that are made anew. */
const made = new Set<number>([
  Type.RRSIG,
  Type.NSEC,
  Type.NSEC3,
  Type.NSEC3PARAM,
  Type.DNSKEY,
  Type.CDS,
  Type.CDNSKEY,
])

/** The zone with keys, CDS and CDNSKEY (RFC 7344), NSEC and signatures, under another serial. */
export function signZone(
  zone: Zone,
  keys: readonly ZoneKey[],
  how: { readonly serial: number; readonly validity: Validity },
): ResourceRecord[] {
  const { origin } = zone
  const soa = { ...zone.soa, serial: how.serial >>> 0 }
  const fixed = { name: origin, class: Class.IN, ttl: soa.ttl, kind: 'raw' } as const
  const records: ResourceRecord[] = [
    soa,
    ...zone.records.filter(({ type }) => type !== Type.SOA && !made.has(type)),
    ...keys.map((key) => dnskeyRecord(origin, key, soa.ttl)),
    ...keys.map((key) => ({ ...fixed, type: Type.CDNSKEY, rdata: key.rdata })),
    ...keys.flatMap((key) =>
      ([1, 2] as const).map((digest) => ({ ...fixed, type: Type.CDS, rdata: dsData(origin, key, digest) })),
    ),
  ]
  const cuts = new Set(
    records
      .filter(({ type, name }) => type === Type.NS && asciiLower(name) !== origin)
      .map(({ name }) => asciiLower(name)),
  )
  const own = records.filter(({ name }) => !isBelowCut(asciiLower(name), origin, cuts))
  const typesOf = new Map<string, Set<number>>()
  for (const { name, type } of own) {
    const owner = asciiLower(name)
    typesOf.set(owner, (typesOf.get(owner) ?? new Set()).add(type))
  }
  const owners = [...typesOf.keys()]
    .map((owner) => ({ owner, labels: canonicalLabels(owner) }))
    .sort((a, b) => compareLabels(a.labels, b.labels))
    .map(({ owner }) => owner)
  const chain: ResourceRecord[] = owners.map((owner, i) => ({
    ...fixed,
    name: owner,
    ttl: soa.minimum,
    type: Type.NSEC,
    rdata: Buffer.concat([
      nameOctets(owners[i + 1] ?? origin),
      typeBitmap([...(typesOf.get(owner) ?? []), Type.NSEC, Type.RRSIG]),
    ]),
  }))
  const signatures = recordSets([...own, ...chain])
    // The NS of a delegation, and addresses there, are the child's (RFC 4035 §2.2).
    .filter(([{ name, type }]) => !cuts.has(asciiLower(name)) || type === Type.DS || type === Type.NSEC)
    .flatMap((set) => keys.map((key) => signRecords(set, key, origin, how.validity)))
  return [...records, ...chain, ...signatures]
}

/** True for names below a delegation (glue), not at it. */
function isBelowCut(name: string, origin: string, cuts: ReadonlySet<string>): boolean {
  const labels = splitName(name)
  for (let i = 1; i < labels.length; i += 1) {
    const above = `${labels.slice(i).join('.')}.`
    if (!isSubdomain(above, origin)) return false
    if (cuts.has(above)) return true
  }
  return false
}
