import type { Plugin } from '../../core/plugin.ts'
import { type Next, type Outcome, onReply } from '../../core/plugin.ts'
import { isTransfer, type Query } from '../../core/query.ts'
import { Reply } from '../../core/reply.ts'
import {
  asciiLower,
  Class,
  isSubdomain,
  longestZone,
  nameOctets,
  Opcode,
  Rcode,
  type ResourceRecord,
  Type,
} from '../../wire/index.ts'
import { typeBitmap } from '../../zone/dnssec/bitmap.ts'
import { dnskeyRecord, isKeySigningKey, type ZoneKey } from '../../zone/dnssec/keys.ts'
import { recordSets } from '../../zone/dnssec/signature.ts'
import type { SignatureMetrics, Signatures } from './signatures.ts'

const keyTtl = 3600
/** the name does not exist (RFC 9824 §3.2) */
const nxname = 128

/** Types that a name may have, as far as an answer about another type can tell; with CNAME no denial would be believed. */
const possible = [
  Type.A,
  Type.PTR,
  Type.HINFO,
  Type.MX,
  Type.TXT,
  Type.AAAA,
  Type.LOC,
  Type.SRV,
  Type.NAPTR,
  Type.CERT,
  Type.SSHFP,
  Type.TLSA,
  Type.SVCB,
  Type.HTTPS,
  Type.SPF,
  Type.CAA,
]

export interface DnssecOptions {
  readonly zones: readonly string[]
  readonly keys: readonly ZoneKey[]
}

/** Signs what the rest of the chain answers, while it is asked (RFC 4035; denial as RFC 9824 has it). */
export class DnssecPlugin implements Plugin {
  readonly name = 'dnssec'
  readonly #options: DnssecOptions
  readonly #signatures: Signatures
  readonly #metrics: SignatureMetrics
  readonly #servers: readonly string[]

  constructor(parts: {
    options: DnssecOptions
    signatures: Signatures
    metrics: SignatureMetrics
    servers: readonly string[]
  }) {
    this.#options = parts.options
    this.#signatures = parts.signatures
    this.#metrics = parts.metrics
    this.#servers = parts.servers
  }

  start(): void {
    for (const server of this.#servers)
      this.#metrics.entries.cell(server, 'signature').value = () => this.#signatures.size
  }

  handle(query: Query, next: Next): Outcome {
    const zone = longestZone(query.name, this.#options.zones)
    if (zone === undefined || query.class !== Class.IN || query.opcode !== Opcode.QUERY) return next(query)
    if (isTransfer(query.type)) return next(query)
    if (query.type === Type.DNSKEY && query.name === zone) return this.#keys(query, zone)
    if (!query.dnssecOk) return next(query)
    return onReply(next(query), (reply) => this.#sign(query, zone, reply))
  }

  #keys(query: Query, zone: string): Reply {
    const answer = this.#options.keys.map((key) => dnskeyRecord(query.originalName, key, keyTtl))
    const reply = new Reply({ authoritative: true, answer, plugin: this.name })
    if (!query.dnssecOk) return reply
    return reply.with({ answer: this.#signed(answer, zone, query) })
  }

  #sign(query: Query, zone: string, reply: Reply): Reply {
    if (reply.silent || (reply.rcode !== Rcode.NOERROR && reply.rcode !== Rcode.NXDOMAIN)) return reply
    // What is signed already is somebody's who knows better.
    if ([...reply.answer, ...reply.authority].some(({ type }) => type === Type.RRSIG)) return reply
    const { authority } = reply
    const soa = authority.find(({ kind }) => kind === 'soa')
    if (soa?.kind === 'soa' && asciiLower(soa.name) === zone) return this.#deny(query, zone, reply, soa)
    const [referral] = authority.filter(({ type }) => type === Type.NS)
    if (!reply.answered && referral !== undefined && asciiLower(referral.name) !== zone)
      return this.#refer(query, zone, reply, referral)
    if (!reply.answered) return reply
    return reply.with({
      answer: this.#signed(reply.answer, zone, query),
      authority: this.#signed(authority, zone, query),
      additional: this.#signed(reply.additional, zone, query),
    })
  }

  /** NOERROR with an NSEC at the very name: the type, or the name, is not there. Nothing else is told. */
  #deny(query: Query, zone: string, reply: Reply, soa: Extract<ResourceRecord, { kind: 'soa' }>): Reply {
    // The name that is denied is the last of a chain of aliases.
    const last = reply.answer.findLast(({ type }) => type === Type.CNAME)
    const name = last?.kind === 'target' ? asciiLower(last.target) : query.name
    if (!isSubdomain(name, zone)) return reply
    const missing = reply.rcode === Rcode.NXDOMAIN
    const types = missing
      ? [nxname]
      : [...possible, ...(name === zone ? [Type.NS, Type.SOA, Type.DNSKEY] : [])].filter(
          (type) => type !== query.type,
        )
    const nsec = nsecRecord(name, types, Math.min(soa.ttl, soa.minimum))
    // The record says of itself that it is there: asked for, it is the answer.
    if (query.type === Type.NSEC) {
      const answer = this.#signed([...reply.answer, nsec], zone, query)
      return reply.with({ rcode: Rcode.NOERROR, answer, authority: [] })
    }
    return reply.with({
      rcode: Rcode.NOERROR,
      answer: this.#signed(reply.answer, zone, query),
      authority: this.#signed([...reply.authority, nsec], zone, query),
    })
  }

  /** A delegation: its DS is signed, or that there is none is proved. */
  #refer(query: Query, zone: string, reply: Reply, ns: ResourceRecord): Reply {
    const ds = reply.authority.filter(({ type }) => type === Type.DS)
    const proof = ds.length > 0 ? ds : [nsecRecord(asciiLower(ns.name), [Type.NS], ns.ttl)]
    const others = reply.authority.filter(({ type }) => type !== Type.DS)
    return reply.with({ authority: [...others, ...this.#signed(proof, zone, query)] })
  }

  /** Sets of records of the zone, each followed by its signatures; what is elsewhere stays unsigned. */
  #signed(records: readonly ResourceRecord[], zone: string, query: Query): ResourceRecord[] {
    return recordSets(records).flatMap((set) => {
      const [{ name, type }] = set
      if (!isSubdomain(asciiLower(name), zone)) return set
      const signatures = this.#keysFor(type).map((key) =>
        this.#signatures.of(set, key, zone, query.home.label),
      )
      return [...set, ...signatures]
    })
  }

  /** With keys of both kinds, those with SEP sign the keys and the others the rest. */
  #keysFor(type: number): readonly ZoneKey[] {
    const { keys } = this.#options
    const signing = keys.filter(isKeySigningKey)
    if (signing.length === 0 || signing.length === keys.length) return keys
    return type === Type.DNSKEY ? signing : keys.filter((key) => !isKeySigningKey(key))
  }
}

function nsecRecord(name: string, types: readonly number[], ttl: number): ResourceRecord {
  // The next name there can be: '\000.' before the name.
  const next = Buffer.concat([Buffer.from([1, 0]), nameOctets(name)])
  const rdata = Buffer.concat([next, typeBitmap([...types, Type.RRSIG, Type.NSEC])])
  return { kind: 'raw', name, type: Type.NSEC, class: Class.IN, ttl, rdata }
}
