import type { PoolSettings } from '../http/index.ts'
import { DEFAULT_POOL } from '../http/index.ts'
import type { Upstream } from '../objects/index.ts'
import { type RecordSpace, SharedRecords, sharedBytes } from '../sharing/index.ts'
import { type ClientTls, type IdentitySources, UpstreamTls } from './client-tls.ts'
import { DnsDiscovery, type DnsDiscoverySettings } from './dns-discovery.ts'
import { HashRing } from './hash-ring.ts'
import { HealthChecker } from './health/health-checker.ts'
import type { Checks } from './health/settings.ts'
import { type Server, serversOf } from './nodes.ts'
import { observe, pickEwma, pickLeastConnections } from './pickers.ts'
import { pickRoundRobin } from './round-robin.ts'

type Variables = (name: string) => string | number | undefined

/** Servers of one priority. */
interface Tier {
  readonly servers: readonly Server[]
  ring: HashRing | undefined
}

const NGINX_TIMEOUT_S = 60
const SYSTEM_RESOLVER: DnsDiscoverySettings = { servers: [] }
/** Enough for the servers of one upstream. */
const PRIVATE_BUCKETS = 16

export interface UpstreamSurroundings extends IdentitySources {
  /** How names are resolved; by default as the system does. */
  readonly discovery?: DnsDiscoverySettings | undefined
  /** false: `checks` are not looked at. */
  readonly healthChecks?: boolean | undefined
  /** Where the health of the servers is kept; by default in memory of this process. */
  readonly health?: RecordSpace | undefined
}

/** An upstream at run time: its settings in the engine's units and the balancer over its servers. */
export class UpstreamGroup {
  config: Upstream
  servers: readonly Server[] = []
  pool: PoolSettings = DEFAULT_POOL
  connectTimeout = 0
  sendTimeout = 0
  readTimeout = 0
  /** Spoken to in HTTP/2 (grpc, grpcs). */
  http2 = false
  /** Spoken to in HTTP/1.1 without TLS. */
  plain = true
  /** undefined: no health checks. */
  health: HealthChecker | undefined
  #tiers: readonly Tier[] = []
  readonly #surroundings: UpstreamSurroundings
  readonly #tls: UpstreamTls
  #discovery: DnsDiscovery | undefined
  #slowStartMs = 0

  constructor(config: Upstream, surroundings: UpstreamSurroundings = {}) {
    this.config = config
    this.#surroundings = surroundings
    this.#tls = new UpstreamTls(surroundings)
    this.update(config)
  }

  /** Takes a new configuration over in place: running requests keep their server, the balancer its state. */
  update(config: Upstream): void {
    this.config = config
    this.#slowStartMs = (config.slow_start ?? 0) * 1000
    this.#discover(config)
    if (this.#discovery === undefined) this.#setServers(config)
    this.#settle(config)
  }

  /** Follows the name the servers are found under, if there is one. */
  #discover({ discovery_type: type, service_name: name }: Upstream): void {
    const wanted = type === 'dns' ? name : undefined
    if (this.#discovery?.name === wanted) return
    this.#discovery?.close()
    this.#discovery =
      wanted === undefined
        ? undefined
        : new DnsDiscovery(wanted, this.#surroundings.discovery ?? SYSTEM_RESOLVER, (nodes) =>
            this.#setServers({ ...this.config, nodes }),
          )
  }

  #setServers(config: Upstream): void {
    this.servers = serversOf(config, this.servers)
    const priorities = [...new Set(this.servers.map((server) => server.priority))].sort((a, b) => b - a)
    this.#tiers = priorities.map((priority) => {
      const servers = this.servers.filter((server) => server.priority === priority)
      return { servers: allWeightless(servers) ? equalized(servers) : servers, ring: undefined }
    })
    if (config.checks !== undefined) this.health?.update(config.checks as Checks, this.servers)
  }

  #settle(config: Upstream): void {
    this.connectTimeout = (config.timeout?.connect ?? NGINX_TIMEOUT_S) * 1000
    this.sendTimeout = (config.timeout?.send ?? NGINX_TIMEOUT_S) * 1000
    this.readTimeout = (config.timeout?.read ?? NGINX_TIMEOUT_S) * 1000
    this.#check(config)
    this.http2 = config.scheme === 'grpc' || config.scheme === 'grpcs'
    this.plain = !this.http2 && config.scheme !== 'https'
    this.#tls.update(config)
    const pool = config.keepalive_pool
    this.pool =
      pool === undefined
        ? DEFAULT_POOL
        : {
            size: pool.size ?? DEFAULT_POOL.size,
            idleTimeout: (pool.idle_timeout ?? 60) * 1000,
            requests: pool.requests ?? DEFAULT_POOL.requests,
          }
  }

  #check({ checks }: Upstream): void {
    if (checks === undefined || this.#surroundings.healthChecks === false) {
      this.#endChecks()
      return
    }
    this.health ??= new HealthChecker(
      checks as Checks,
      this.#surroundings.health ??
        new SharedRecords(new ArrayBuffer(sharedBytes(PRIVATE_BUCKETS))).within(''),
    )
    this.health.update(checks as Checks, this.servers)
  }

  /** As `close`, for an upstream that is no more: what is known of its servers is forgotten. */
  retire(): void {
    this.health?.forget()
    this.close()
  }

  /** Ends probing; call when nobody will pick from this any more. */
  close(): void {
    this.#endChecks()
    this.#discovery?.close()
    this.#discovery = undefined
  }

  #endChecks(): void {
    this.health?.close()
    this.health = undefined
  }

  /** How servers that speak TLS are met; a number is the status to answer because a certificate is missing. */
  get tls(): ClientTls | number {
    return this.#tls.current
  }

  get retries(): number {
    return this.config.retries ?? Math.max(0, this.servers.length - 1)
  }

  /**
   * Picks a server not tried yet, a healthy one if there is any; the only server is tried again. `tried` holds names, as a
   * server may have gone and come back meanwhile.
   */
  pick(variables: Variables, tried: ReadonlySet<string> | undefined): Server | undefined {
    this.health?.start()
    if (this.servers.length === 1) return this.servers[0]
    return (
      (this.health === undefined ? undefined : this.#pickHealthy(variables, tried, this.health)) ??
      this.#pickUsable(variables, tried, undefined)
    )
  }

  /** Once no server with a weight is healthy, those of weight 0 stand in. */
  #pickHealthy(
    variables: Variables,
    tried: ReadonlySet<string> | undefined,
    health: HealthChecker,
  ): Server | undefined {
    return (
      this.#pickUsable(variables, tried, health) ??
      this.servers.find(
        (server) => server.weight === 0 && tried?.has(server.name) !== true && health.isHealthy(server),
      )
    )
  }

  #pickUsable(
    variables: Variables,
    tried: ReadonlySet<string> | undefined,
    health: HealthChecker | undefined,
  ): Server | undefined {
    for (const tier of this.#tiers) {
      const out = (server: Server) => tried?.has(server.name) === true || health?.isHealthy(server) === false
      const plain = tried === undefined && health === undefined
      const server = this.#pickFrom(tier, variables, plain ? undefined : out)
      if (server !== undefined) return server
    }
    return undefined
  }

  #pickFrom(
    tier: Tier,
    variables: Variables,
    out: ((server: Server) => boolean) | undefined,
  ): Server | undefined {
    if (this.config.type === 'chash') {
      tier.ring ??= new HashRing(tier.servers)
      return tier.ring.pick(hashKey(this.config, variables), out)
    }
    const servers = out === undefined ? tier.servers : tier.servers.filter((server) => !out(server))
    if (this.config.type === 'least_conn') return pickLeastConnections(servers, this.#slowStartMs)
    if (this.config.type === 'ewma') return pickEwma(servers, performance.now())
    return pickRoundRobin(servers, this.#slowStartMs)
  }

  /** A request goes to the server. */
  begun(server: Server): void {
    server.active++
  }

  /** The request is over, however. */
  ended(server: Server): void {
    server.active--
  }

  answered(server: Server, status: number, ms: number): void {
    if (this.config.type === 'ewma') observe(server, ms, performance.now())
    this.health?.answered(server, status)
  }

  failed(server: Server, kind: 'unreachable' | 'timeout'): void {
    this.health?.failed(server, kind)
  }
}

/** Weight 0 gets no traffic, unless all have it. */
function allWeightless(servers: readonly Server[]): boolean {
  return servers.every((server) => server.weight === 0)
}

function equalized(servers: readonly Server[]): Server[] {
  return servers.map((server) => ({ ...server, weight: 1 }))
}

/** Text with $names replaced; undefined if none of them has a value. */
function combination(text: string, variables: Variables): string | undefined {
  let found = false
  const filled = text.replace(/\$(?:(\w+)|\{(\w+)\})/g, (_, plain?: string, braced?: string) => {
    const value = variables(plain ?? braced ?? '')
    found ||= value !== undefined
    return String(value ?? '')
  })
  return found ? filled : undefined
}

function hashKey(config: Upstream, variables: Variables): string {
  const key = config.key ?? ''
  const value = (() => {
    switch (config.hash_on) {
      case 'header':
        return variables(`http_${key.toLowerCase().replaceAll('-', '_')}`)
      case 'cookie':
        return variables(`cookie_${key.replace(/^cookie_/, '')}`)
      case 'consumer':
        return variables('consumer_name')
      case 'vars_combinations':
        return combination(key, variables)
      default:
        return variables(key)
    }
  })()
  return String(value === undefined || value === '' ? (variables('remote_addr') ?? '') : value)
}
