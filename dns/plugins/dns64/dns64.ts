import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'
import type { Counter } from '../../metrics/metrics.ts'
import { Class, formatAddress, parseAddress, Rcode, type ResourceRecord, Type } from '../../wire/index.ts'

export interface Dns64Options {
  /** octets and length of the prefix: 32, 40, 48, 56, 64 or 96 bits */
  readonly prefix: Uint8Array
  readonly bits: number
  /** also where there are AAAA records */
  readonly translateAll: boolean
  /** also for clients that come over IPv4 */
  readonly allowIPv4: boolean
}

/** Gives clients without IPv4 an AAAA made of the A record (RFC 6147). */
export class Dns64Plugin implements Plugin {
  readonly name = 'dns64'
  readonly #options: Dns64Options
  readonly #translated: Counter

  constructor(options: Dns64Options, translated: Counter) {
    this.#options = options
    this.#translated = translated
  }

  handle(query: Query, next: Next): Outcome {
    const { allowIPv4, translateAll } = this.#options
    const wanted =
      query.type === Type.AAAA && query.class === Class.IN && (allowIPv4 || query.peer.clientFamily === 6)
    // A client that validates would find the made-up record bogus (RFC 6147 §5.5).
    if (!wanted || (query.dnssecOk && query.checkingDisabled)) return next(query)
    if (translateAll) return this.#translate(query, next, undefined)
    const outcome = next(query)
    return outcome instanceof Promise
      ? outcome.then((reply) => this.#judge(query, next, reply))
      : this.#judge(query, next, outcome)
  }

  #judge(query: Query, next: Next, reply: Reply): Outcome {
    const useful = reply.rcode === Rcode.NXDOMAIN || reply.answer.some((record) => record.type === Type.AAAA)
    // Any other failure counts as an empty answer (RFC 6147 §5.1.3).
    return useful ? reply : this.#translate(query, next, reply)
  }

  /** Asks for A records; without any, `empty` is the answer after all. */
  #translate(query: Query, next: Next, empty: Reply | undefined): Outcome {
    const change = (reply: Reply): Outcome => {
      if (!reply.answer.some((record) => record.type === Type.A)) return empty ?? next(query)
      this.#translated.cell(query.home.label).value += 1
      const limit = negativeTtl(empty)
      return reply.with({
        answer: reply.answer.map((record) => this.#aaaa(record, limit)),
        additional: [],
        // What is made up here has no authority.
        authoritative: false,
        authenticData: false,
      })
    }
    const outcome = next(query.derive({ type: Type.A }))
    return outcome instanceof Promise ? outcome.then(change) : change(outcome)
  }

  #aaaa(record: ResourceRecord, limit: number): ResourceRecord {
    if (record.kind !== 'address' || record.type !== Type.A) return record
    const octets = parseAddress(record.address)
    if (octets === undefined) return record
    const address = formatAddress(embed(this.#options, octets))
    return { ...record, type: Type.AAAA, address, ttl: Math.min(record.ttl, limit) }
  }
}

/** The IPv4 address within the prefix; octet 8 stays zero (RFC 6052 §2.2). */
function embed({ prefix, bits }: Dns64Options, address: Uint8Array): Uint8Array {
  const octets = new Uint8Array(16)
  octets.set(prefix.subarray(0, bits / 8))
  let at = bits / 8
  for (const octet of address) {
    if (at === 8) at += 1
    octets[at] = octet
    at += 1
  }
  return octets
}

/** RFC 6147 §5.1.7: not longer than the empty answer would have been kept; 600 s where it does not say. */
function negativeTtl(empty: Reply | undefined): number {
  const soa = empty?.authority.find((record) => record.kind === 'soa')
  return soa?.kind === 'soa' ? Math.min(soa.ttl, soa.minimum) : 600
}
