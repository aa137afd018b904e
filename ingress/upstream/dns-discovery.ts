import { promises as dns } from 'node:dns'
import net from 'node:net'
import type { UpstreamNode } from '../objects/index.ts'
import { splitAddress } from './nodes.ts'

export interface DnsDiscoverySettings {
  /** Servers asked, as address or address:port; empty: the system's. */
  readonly servers: readonly string[]
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
 * else A, else AAAA. A name server that does not answer changes nothing; a name that is gone has no servers.
 */
export class DnsDiscovery {
  readonly name: string
  readonly #resolver = new dns.Resolver({ timeout: 2000, tries: 2 })
  readonly #host: string
  readonly #port: number | undefined
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
    if (this.#port === undefined || this.#host.startsWith('_')) {
      const services = await this.#services()
      if (services !== undefined) return services
    }
    const { addresses, ttlMs } = await this.#addresses(this.#host)
    const port = this.#port === undefined ? {} : { port: this.#port }
    return { ttlMs, nodes: addresses.map((host) => ({ host, ...port, weight: 1, priority: 0 })) }
  }

  async #services(): Promise<Found | undefined> {
    const records = await this.#resolver.resolveSrv(this.#host).catch((error: NodeJS.ErrnoException) => {
      if (GONE.has(error.code ?? '') && !this.#host.startsWith('_')) return undefined
      throw error
    })
    if (records === undefined) return undefined
    const nodes = await Promise.all(
      records.map(async ({ name, port, weight, priority }) => {
        const { addresses } = net.isIP(name) === 0 ? await this.#addresses(name) : { addresses: [name] }
        // RFC 2782: weight 0 is little, not nothing; the lowest priority is the first choice.
        return addresses.map((host) => ({ host, port, weight: Math.max(1, weight), priority: 0 - priority }))
      }),
    )
    return { nodes: nodes.flat().sort(byAddress), ttlMs: SRV_MS }
  }

  async #addresses(name: string): Promise<{ readonly addresses: string[]; readonly ttlMs: number }> {
    const records = await this.#resolver
      .resolve4(name, { ttl: true })
      .catch(async (error: NodeJS.ErrnoException) => {
        if (!GONE.has(error.code ?? '')) throw error
        return this.#resolver.resolve6(name, { ttl: true })
      })
    const shortest = Math.min(...records.map(({ ttl }) => ttl))
    return { addresses: records.map(({ address }) => address).sort(), ttlMs: shortest * 1000 }
  }
}

function byAddress(a: UpstreamNode, b: UpstreamNode): number {
  return a.host < b.host ? -1 : a.host > b.host ? 1 : (a.port ?? 0) - (b.port ?? 0)
}
