import type { Upstream } from '../objects/index.ts'

/** One server of an upstream. Its object lives as long as host and port stay, so balancer state survives changes. */
export interface Server {
  readonly host: string
  readonly port: number
  readonly weight: number
  readonly priority: number
  /** host:port, IPv6 in brackets. */
  readonly name: string
  /** As `name`: makes a server an Endpoint of the connection pool. */
  readonly key: string
  /** Smooth weighted round robin's running weight; the turn of least_conn. */
  current: number
  /** Requests under way. */
  active: number
  /** Moving average of response times in ms, as of `ewmaAt` (performance.now). */
  ewma: number
  ewmaAt: number
  /** When it joined servers that were there already (performance.now); -Infinity: it was there from the start. */
  since: number
}

/** Servers of this scheme are spoken to in TLS. */
export function isSecure(scheme: string | undefined): boolean {
  return scheme === 'https' || scheme === 'grpcs' || scheme === 'tls'
}

function defaultPort(scheme: string | undefined): number {
  return isSecure(scheme) ? 443 : 80
}

interface NodeSpec {
  readonly host: string
  readonly port: number
  readonly weight: number
  readonly priority: number
}

/** host, host:port, [v6], [v6]:port. */
export function splitAddress(text: string): { host: string; port: number | undefined } {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text)
  if (bracketed !== null)
    return {
      host: bracketed[1] as string,
      port: bracketed[2] === undefined ? undefined : Number(bracketed[2]),
    }
  const colon = text.lastIndexOf(':')
  if (colon === -1) return { host: text, port: undefined }
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) }
}

function specs(upstream: Upstream): NodeSpec[] {
  const { nodes } = upstream
  const port = defaultPort(upstream.scheme)
  if (nodes === undefined) return []
  if (Array.isArray(nodes)) {
    return nodes.map((node) => ({
      host: splitBrackets(node.host),
      port: node.port ?? port,
      weight: node.weight,
      priority: node.priority ?? 0,
    }))
  }
  return Object.entries(nodes as Readonly<Record<string, number>>).map(([address, weight]) => {
    const parts = splitAddress(address)
    return { host: parts.host, port: parts.port ?? port, weight, priority: 0 }
  })
}

function splitBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

function newServer(own: Pick<Server, 'host' | 'port' | 'weight' | 'priority' | 'name'>): Server {
  return { ...own, key: own.name, current: 0, active: 0, ewma: 0, ewmaAt: 0, since: Number.NEGATIVE_INFINITY }
}

/** The servers of an upstream, taking over those of `before` that stay: another weight or priority makes no new server. */
export function serversOf(upstream: Upstream, before: readonly Server[] = []): Server[] {
  const keyOf = ({ name, weight, priority }: Server | NamedSpec) => `${name}/${weight}/${priority}`
  const known = new Map(before.map((server) => [keyOf(server), server]))
  const wanted = specs(upstream).map(named)
  const same = new Set(wanted.map((spec) => known.get(keyOf(spec))))
  const others = new Map(before.filter((server) => !same.has(server)).map((server) => [server.name, server]))
  return wanted.map((spec) => {
    const { name, weight, priority } = spec
    const unchanged = known.get(keyOf(spec))
    if (unchanged !== undefined) return unchanged
    const changed = others.get(name)
    others.delete(name)
    // In place: requests that run there are counted in it.
    if (changed !== undefined) return Object.assign(changed, { weight, priority })
    const server = newServer(spec)
    if (before.length > 0) server.since = performance.now()
    return server
  })
}

interface NamedSpec extends NodeSpec {
  readonly name: string
}

function named(spec: NodeSpec): NamedSpec {
  const { host, port } = spec
  return { ...spec, name: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}` }
}
