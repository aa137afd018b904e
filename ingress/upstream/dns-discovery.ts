import { promises as dns } from 'node:dns'
import net from 'node:net'
import type { UpstreamNode } from '../objects/index.ts'
import { splitAddress } from './nodes.ts'

/** What may be asked for, in an order; `last` stands for what was found the last time. CNAMEs are followed anyway. */
export const DNS_ORDER = ['last', 'SRV', 'A', 'AAAA', 'CNAME'] as const
export type DnsRecordType = (typeof DNS_ORDER)[number]

export interface DnsDiscoverySettings {
  /** Servers asked, as address or address:port; empty: the system's. */
  readonly servers: readonly string[]
  readonly order?: readonly DnsRecordType[] | undefined
}

const SHORTEST_MS = 1000
const LONGEST_MS = 60_000
/** SRV answers come without their time to live. */
const SRV_MS = 5000
const RETRY_MS = 2000
const GONE: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA'])

interface Found {
  readonly nodes: UpstreamNode[]
  readonly ttlMs: number
}

/**
 * The servers behind a DNS name, followed while it is open: SRV records (their weights, and their priorities turned round),
 * else A, else AAAA, or as the order says. A port in the name goes over that of the records. A name server that does not
 * answer changes nothing; a name that is gone has no servers.
 */
export class DnsDiscovery {
  readonly name: string
  readonly #resolver = new dns.Resolver({ timeout: 2000, tries: 2 })
  readonly #host: string
  readonly #port: number | undefined
  readonly #order: readonly DnsRecordType[]
  #last: DnsRecordType | undefined
  readonly #onChange: (nodes: readonly UpstreamNode[]) => void
  #timer: NodeJS.Timeout | undefined
  #known = ''
  #closed = false

  constructor(
    name: string,
    settings: DnsDiscoverySettings,
    onChange: (nodes: readonly UpstreamNode[]) => void,
  ) {
    this.name = name
    const { host, port } = splitAddress(name)
    this.#host = host
    this.#port = port
    this.#order = settings.order ?? DNS_ORDER
    this.#onChange = onChange
    if (settings.servers.length > 0) this.#resolver.setServers([...settings.servers])
    void this.#look()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#resolver.cancel()
  }

  async #look(): Promise<void> {
    let delay = RETRY_MS
    try {
      const found = await this.#find()
      if (this.#closed) return
      delay = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, found.ttlMs))
      this.#tell(found.nodes)
    } catch (error) {
      if (this.#closed) return
      if (GONE.has((error as NodeJS.ErrnoException).code ?? '')) this.#tell([])
    }
    this.#timer = setTimeout(() => void this.#look(), delay).unref()
  }

  #tell(nodes: readonly UpstreamNode[]): void {
    const text = JSON.stringify(nodes)
    if (text === this.#known) return
    this.#known = text
    this.#onChange(nodes)
  }

  async #find(): Promise<Found> {
    let failure: unknown
    const types = this.#order.flatMap((type) => (type === 'last' ? (this.#last ?? []) : type))
    for (const type of new Set(types)) {
      try {
        const found = await this.#ask(type)
        if (found === undefined) continue
        this.#last = type
        return found
      } catch (error) {
        // That a name has no such records says less than a server that does not answer.
        if (failure === undefined || !GONE.has((error as NodeJS.ErrnoException).code ?? '')) failure = error
      }
    }
    throw failure
  }

  async #ask(type: DnsRecordType): Promise<Found | undefined> {
    if (type === 'SRV') return this.#services()
    if (type !== 'A' && type !== 'AAAA') return undefined
    const { addresses, ttlMs } = await this.#addresses(this.#host, type)
    return { ttlMs, nodes: addresses.map((host) => ({ host, ...this.#portOr(0), weight: 1, priority: 0 })) }
  }

  /** The port in the name, else that of a record; 0 is none. */
  #portOr(port: number): { readonly port?: number } {
    const wanted = this.#port ?? port
    return wanted === 0 ? {} : { port: wanted }
  }

  async #services(): Promise<Found> {
    const records = await this.#resolver.resolveSrv(this.#host)
    const nodes = await Promise.all(
      records.map(async ({ name, port, weight, priority }) => {
        const addresses = net.isIP(name) === 0 ? await this.#addressesOf(name) : [name]
        // RFC 2782: weight 0 is little, not nothing; the lowest priority is the first choice.
        const own = { ...this.#portOr(port), weight: Math.max(1, weight), priority: 0 - priority }
        return addresses.map((host) => ({ host, ...own }))
      }),
    )
    return { nodes: nodes.flat().sort(byAddress), ttlMs: SRV_MS }
  }

  async #addressesOf(name: string): Promise<string[]> {
    const found = await this.#addresses(name, 'A').catch((error: NodeJS.ErrnoException) => {
      if (!GONE.has(error.code ?? '')) throw error
      return this.#addresses(name, 'AAAA')
    })
    return found.addresses
  }

  async #addresses(name: string, type: 'A' | 'AAAA'): Promise<{ addresses: string[]; ttlMs: number }> {
    const resolver = this.#resolver
    const records = await (type === 'A'
      ? resolver.resolve4(name, { ttl: true })
      : resolver.resolve6(name, { ttl: true }))
    const shortest = Math.min(...records.map(({ ttl }) => ttl))
    return { addresses: records.map(({ address }) => address).sort(), ttlMs: shortest * 1000 }
  }
}

function byAddress(a: UpstreamNode, b: UpstreamNode): number {
  return a.host < b.host ? -1 : a.host > b.host ? 1 : (a.port ?? 0) - (b.port ?? 0)
}
