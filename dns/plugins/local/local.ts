import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { Reply } from '../../core/reply.ts'
import type { Cell } from '../../metrics/metrics.ts'
import { Class, isSubdomain, Rcode, type ResourceRecord, Type } from '../../wire/index.ts'

const ttl = 604_800
const zones = ['localhost.', '0.in-addr.arpa.', '127.in-addr.arpa.', '255.in-addr.arpa.']

/** Answers for localhost and the reverse zones of addresses that never leave a host (RFC 6303, RFC 6761 §6.3). */
export class LocalPlugin implements Plugin {
  readonly name = 'local'
  readonly #prefix: boolean
  readonly #count: Cell

  constructor(options: { localhostPrefix: boolean; count: Cell }) {
    this.#prefix = options.localhostPrefix
    this.#count = options.count
  }

  handle(query: Query, next: Next): Outcome {
    const { name, type } = query
    const below = name !== 'localhost.' && isSubdomain(name, 'localhost.')
    if (below || (this.#prefix && name.length > 10 && name.startsWith('localhost.'))) {
      this.#count.value += 1
      return this.#addresses(query)
    }
    const zone = zones.find((candidate) => isSubdomain(name, candidate))
    if (zone === undefined) return next(query)
    if (name === '1.0.0.127.in-addr.arpa.' && type === Type.PTR) {
      const owner = query.originalName
      return this.#answer(
        [{ kind: 'target', name: owner, type, class: Class.IN, ttl, target: 'localhost.' }],
        zone,
      )
    }
    if (name === zone && type === Type.SOA) return this.#answer([soa(zone)], zone)
    if (name === zone && type === Type.NS)
      return this.#answer(
        [{ kind: 'target', name: zone, type, class: Class.IN, ttl, target: 'localhost.' }],
        zone,
      )
    if (name === 'localhost.') return this.#addresses(query)
    if (name === zone || name === '1.0.0.127.in-addr.arpa.') return this.#answer([], zone)
    return new Reply({
      rcode: Rcode.NXDOMAIN,
      authoritative: true,
      authority: [soa(zone)],
      plugin: this.name,
    })
  }

  #addresses(query: Query): Reply {
    const address = query.type === Type.A ? '127.0.0.1' : query.type === Type.AAAA ? '::1' : undefined
    if (address === undefined) return this.#answer([], 'localhost.')
    const name = query.originalName
    return this.#answer(
      [{ kind: 'address', name, type: query.type, class: Class.IN, ttl, address }],
      'localhost.',
    )
  }

  #answer(answer: readonly ResourceRecord[], zone: string): Reply {
    return new Reply({
      authoritative: true,
      answer,
      authority: answer.length > 0 ? [] : [soa(zone)],
      plugin: this.name,
    })
  }
}

function soa(zone: string): ResourceRecord {
  const numbers = { serial: 1, refresh: 0, retry: 0, expire: 0, minimum: ttl }
  return {
    kind: 'soa',
    name: zone,
    type: Type.SOA,
    class: Class.IN,
    ttl,
    mname: 'localhost.',
    rname: 'root.localhost.',
    ...numbers,
  }
}
