import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { failure, Reply, silence } from '../../core/reply.ts'
import type { Counter, MetricFamilies } from '../../metrics/metrics.ts'
import { EdnsOption, ExtendedError, isSubdomain, parseAddress, Rcode, Type } from '../../wire/index.ts'

export type AclAction = 'allow' | 'block' | 'filter' | 'drop'

export interface Network {
  readonly octets: Uint8Array
  readonly bits: number
}

export interface AclPolicy {
  readonly action: AclAction
  /** empty: every type */
  readonly types: ReadonlySet<number>
  /** empty: every client */
  readonly networks: readonly Network[]
}

export interface AclRule {
  readonly zones: readonly string[]
  readonly policies: readonly AclPolicy[]
}

/** Lets clients in by address and type; in each rule the first policy that matches decides. */
export class AclPlugin implements Plugin {
  readonly name = 'acl'
  readonly #rules: readonly AclRule[]
  readonly #counters: Readonly<Record<AclAction, Counter>>

  constructor(rules: readonly AclRule[], metrics: MetricFamilies) {
    this.#rules = rules
    const labels = ['server', 'zone', 'view']
    const counter = (what: string, names: readonly string[]): Counter =>
      metrics.counter(`coredns_acl_${what}_requests_total`, `Queries that were ${what}.`, names)
    this.#counters = {
      allow: counter('allowed', ['server', 'view']),
      block: counter('blocked', labels),
      filter: counter('filtered', labels),
      drop: counter('dropped', labels),
    }
  }

  handle(query: Query, next: Next): Outcome {
    const server = query.home.label
    const client = parseAddress(query.peer.clientAddress.replace(/%.*$/, ''))
    for (const rule of this.#rules) {
      if (!rule.zones.some((zone) => isSubdomain(query.name, zone))) continue
      const policy = rule.policies.find((candidate) => matches(candidate, query.type, client))
      if (policy === undefined || policy.action === 'allow') continue
      this.#counters[policy.action].cell(server, query.zone, query.view).value += 1
      if (policy.action === 'drop') return silence
      if (policy.action === 'block')
        return failure(Rcode.REFUSED, this.name).with({ options: [reason(ExtendedError.BLOCKED)] })
      return new Reply({ plugin: this.name, options: [reason(ExtendedError.FILTERED)] })
    }
    this.#counters.allow.cell(server, query.view).value += 1
    return next(query)
  }
}

function reason(code: number): { code: number; data: Uint8Array } {
  return { code: EdnsOption.EDE, data: Uint8Array.from([code >> 8, code & 255]) }
}

function matches(policy: AclPolicy, type: number, client: Uint8Array | undefined): boolean {
  if (policy.types.size > 0 && !policy.types.has(type) && !policy.types.has(Type.ANY)) return false
  return (
    policy.networks.length === 0 ||
    policy.networks.some((network) => client !== undefined && contains(network, client))
  )
}

function contains({ octets, bits }: Network, client: Uint8Array): boolean {
  if (octets.length !== client.length) return false
  for (let i = 0; i < octets.length; i += 1) {
    const left = Math.min(8, Math.max(0, bits - 8 * i))
    const mask = (0xff << (8 - left)) & 0xff
    if ((((octets[i] as number) ^ (client[i] as number)) & mask) !== 0) return false
  }
  return true
}
