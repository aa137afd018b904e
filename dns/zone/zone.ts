import {
  asciiLower,
  isSubdomain,
  Rcode,
  type ResourceRecord,
  readName,
  type SoaRecord,
  splitName,
  Type,
} from '../wire/index.ts'
import { ZoneError } from './errors.ts'
import { isDnssecType, type Node, Proofs, signed } from './proofs.ts'

/** What a zone says to a question. */
export interface ZoneAnswer {
  readonly rcode: number
  readonly authoritative: boolean
  readonly answer: readonly ResourceRecord[]
  readonly authority: readonly ResourceRecord[]
  readonly additional: readonly ResourceRecord[]
  /** there are names below this one, and nothing at it */
  readonly emptyNonTerminal?: boolean | undefined
  /** where a CNAME leads out of the zone, and what stands in the authority section if there is nothing */
  readonly leadsTo?: { readonly name: string; readonly negative: readonly ResourceRecord[] } | undefined
}

export interface ZoneQuestion {
  /** lower case, in the zone */
  readonly name: string
  readonly type: number
  /** the name as the client wrote it: owners take it over */
  readonly asked: string
  /** add signatures and proofs (the DO bit) */
  readonly dnssec: boolean
}

/** of a chain; CoreDNS gives as many */
const maxAliases = 10

/** The records of one zone, found as RFC 1034 §4.3.2, RFC 4592 (wildcards), RFC 6672 (DNAME), RFC 4035 §3.1 (DNSSEC) say. */
export class Zone {
  readonly origin: string
  readonly soa: SoaRecord
  readonly records: readonly ResourceRecord[]
  /** owner in lower case; empty non-terminals have empty nodes */
  readonly #nodes = new Map<string, Map<number, ResourceRecord[]>>()
  readonly #proofs: Proofs

  /** Throws ZoneError without exactly one SOA at the origin, and for records outside. */
  constructor(origin: string, records: readonly ResourceRecord[]) {
    this.origin = origin
    this.records = records
    const soas = records.filter((record) => record.kind === 'soa')
    const [soa] = soas
    if (soa?.kind !== 'soa' || soas.length !== 1 || asciiLower(soa.name) !== origin)
      throw new ZoneError(`zone ${origin} needs exactly one SOA record at its own name`)
    this.soa = soa
    for (const record of records) this.#add(record)
    this.#proofs = new Proofs(this.#nodes)
  }

  #add(record: ResourceRecord): void {
    const owner = asciiLower(record.name)
    if (!isSubdomain(owner, this.origin)) throw new ZoneError(`${record.name} is not in zone ${this.origin}`)
    const node = this.#node(owner)
    const list = node.get(record.type)
    if (list === undefined) node.set(record.type, [record])
    else list.push(record)
  }

  /** The node, with those above it: they exist even where they have no records. */
  #node(owner: string): Map<number, ResourceRecord[]> {
    let node = this.#nodes.get(owner)
    if (node === undefined) {
      node = new Map()
      this.#nodes.set(owner, node)
      if (owner !== this.origin) this.#node(parentOf(owner))
    }
    return node
  }

  lookup(question: ZoneQuestion): ZoneAnswer {
    const { type, dnssec } = question
    const answer: ResourceRecord[] = []
    let at = question.name
    let shown = question.asked
    for (let step = 0; step < maxAliases; step += 1) {
      const cut = this.#above(at, type)
      if (cut?.kind === 'referral') return this.#referral(cut.owner, answer, { dnssec })
      if (cut?.kind === 'dname') {
        const { record } = cut
        const target = at.slice(0, at.length - asciiLower(record.name).length) + record.target
        answer.push(...(dnssec ? signed(cut.node, [record]) : [record]))
        answer.push({ ...record, name: shown, type: Type.CNAME, target })
        const next = asciiLower(target)
        if (type === Type.CNAME) return this.#found(answer, [], { dnssec })
        if (!isSubdomain(next, this.origin)) return this.#found(answer, [], { dnssec, leadsTo: target })
        at = next
        shown = target
        continue
      }
      const exact = this.#nodes.get(at)
      const wildcard = exact === undefined ? this.#wildcard(at) : undefined
      const found = exact ?? wildcard?.node
      if (found === undefined) return this.#negative(Rcode.NXDOMAIN, answer, { dnssec, name: at })
      const proof = wildcard !== undefined && dnssec ? this.#proofs.covering(at) : []
      const owned = (records: readonly ResourceRecord[]): ResourceRecord[] =>
        dnssec ? signed(found, records, shown) : records.map((record) => ({ ...record, name: shown }))
      const types = type === Type.ANY ? [...found.keys()].filter((key) => !isDnssecType(key)) : [type]
      const wanted = types.flatMap((one) => owned(found.get(one) ?? []))
      if (wanted.length > 0) {
        answer.push(...wanted)
        return this.#found(answer, proof, { dnssec })
      }
      const alias = found.get(Type.CNAME)?.[0]
      if (alias?.kind !== 'target')
        return this.#negative(Rcode.NOERROR, answer, { dnssec, name: at, found, wildcard: wildcard?.owner })
      answer.push(...owned([alias]))
      const target = asciiLower(alias.target)
      if (!isSubdomain(target, this.origin))
        return this.#found(answer, proof, { dnssec, leadsTo: alias.target })
      at = target
      shown = alias.target
    }
    return this.#found(answer, [], { dnssec })
  }

  /** A delegation or DNAME on the way from the origin down to the name. */
  #above(
    name: string,
    type: number,
  ):
    | { kind: 'referral'; owner: string }
    | { kind: 'dname'; node: Node; record: Extract<ResourceRecord, { kind: 'target' }> }
    | undefined {
    const labels = splitName(name).slice(0, splitName(name).length - splitName(this.origin).length)
    for (let i = labels.length; i >= 0; i -= 1) {
      const below = labels
        .slice(i)
        .map((label) => `${label}.`)
        .join('')
      const owner = this.origin === '.' ? below || '.' : `${below}${this.origin}`
      const node = this.#nodes.get(owner)
      if (node === undefined) continue
      // The DS of a delegation belongs to the parent (RFC 4035 §3.1.4.1).
      if (owner !== this.origin && node.has(Type.NS) && !(owner === name && type === Type.DS))
        return { kind: 'referral', owner }
      const record = owner === name ? undefined : node.get(Type.DNAME)?.[0]
      if (record?.kind === 'target') return { kind: 'dname', node, record }
    }
    return undefined
  }

  /** RFC 4592 §3.3.1: the wildcard below the closest encloser, and no other. */
  #wildcard(name: string): { owner: string; node: Node } | undefined {
    const owner = this.#wildcardOwner(name)
    const node = this.#nodes.get(owner)
    return node === undefined ? undefined : { owner, node }
  }

  #wildcardOwner(name: string): string {
    let encloser = name
    while (encloser !== this.origin && !this.#nodes.has(encloser)) encloser = parentOf(encloser)
    return `*.${encloser === '.' ? '' : encloser}`
  }

  #found(
    answer: readonly ResourceRecord[],
    authority: readonly ResourceRecord[],
    how: { dnssec: boolean; leadsTo?: string },
  ): ZoneAnswer {
    const { leadsTo: name } = how
    return {
      rcode: Rcode.NOERROR,
      authoritative: true,
      answer,
      authority: [...this.#servers(answer, how), ...authority],
      additional: this.#addresses(answer, how),
      leadsTo: name === undefined ? undefined : { name, negative: this.#negativeSoa(how) },
    }
  }

  /** The zone's own servers, as BIND and CoreDNS put them beside an answer; not where they are the answer. */
  #servers(answer: readonly ResourceRecord[], how: { dnssec: boolean }): readonly ResourceRecord[] {
    if (answer.some((record) => record.type === Type.NS)) return []
    const apex = this.#nodes.get(this.origin) ?? new Map()
    const servers = apex.get(Type.NS) ?? []
    return how.dnssec ? signed(apex, servers) : servers
  }

  #referral(owner: string, answer: readonly ResourceRecord[], how: { dnssec: boolean }): ZoneAnswer {
    const node: Node = this.#nodes.get(owner) ?? new Map()
    const servers = node.get(Type.NS) ?? []
    const ds = node.get(Type.DS)
    const proof = how.dnssec ? signed(node, ds ?? node.get(Type.NSEC) ?? []) : []
    return {
      rcode: Rcode.NOERROR,
      authoritative: answer.length > 0,
      answer,
      authority: [...servers, ...proof],
      additional: this.#addresses(servers, how),
    }
  }

  /** RFC 2308 §3: the SOA lives as long as the negative answer may. */
  #negative(
    rcode: number,
    answer: readonly ResourceRecord[],
    at: { dnssec: boolean; name: string; found?: Node; wildcard?: string | undefined },
  ): ZoneAnswer {
    const proofs = at.dnssec ? this.#proofsOf(rcode, at) : []
    const authority = [...this.#negativeSoa(at), ...proofs]
    const emptyNonTerminal = answer.length === 0 && at.found?.size === 0
    return { rcode, authoritative: true, answer, authority, additional: [], emptyNonTerminal }
  }

  #negativeSoa(how: { dnssec: boolean }): ResourceRecord[] {
    const apex = this.#nodes.get(this.origin) ?? new Map()
    const ttl = Math.min(this.soa.ttl, this.soa.minimum)
    return (how.dnssec ? signed(apex, [this.soa]) : [this.soa]).map((record) => ({ ...record, ttl }))
  }

  /** RFC 4035 §3.1.3: that the name, or the type, or a closer wildcard is not there. */
  #proofsOf(
    rcode: number,
    at: { name: string; found?: Node; wildcard?: string | undefined },
  ): ResourceRecord[] {
    const own = at.found?.get(Type.NSEC)
    const sets =
      rcode === Rcode.NXDOMAIN
        ? [this.#proofs.covering(at.name), this.#proofs.covering(this.#wildcardOwner(at.name))]
        : [
            own === undefined || at.found === undefined
              ? this.#proofs.covering(at.wildcard ?? at.name)
              : signed(at.found, own),
            ...(at.wildcard === undefined ? [] : [this.#proofs.covering(at.name)]),
          ]
    return [...new Set(sets.flat())]
  }

  /** Addresses of targets of NS, MX, SRV, SVCB and HTTPS, as far as they are in the zone. */
  #addresses(records: readonly ResourceRecord[], how: { dnssec: boolean }): ResourceRecord[] {
    const names = new Set<string>()
    for (const record of records) {
      if (
        record.kind === 'srv' ||
        record.kind === 'preference' ||
        (record.kind === 'target' && record.type === Type.NS)
      )
        names.add(asciiLower(record.target))
      else if (record.kind === 'raw' && (record.type === Type.SVCB || record.type === Type.HTTPS))
        names.add(asciiLower(readName(record.rdata, 2).name))
    }
    return [...names].flatMap((name) => {
      const node = this.#nodes.get(name)
      if (node === undefined) return []
      return [Type.A, Type.AAAA].flatMap((type) => {
        const found = node.get(type) ?? []
        return how.dnssec && found.length > 0 ? signed(node, found) : found
      })
    })
  }
}

function parentOf(name: string): string {
  const [, ...rest] = splitName(name)
  return rest.length === 0 ? '.' : `${rest.join('.')}.`
}
