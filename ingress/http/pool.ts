import type { Deadlines } from './deadlines.ts'
import { H2UpstreamPool } from './h2/h2-upstream-pool.ts'
import type { Network, UpstreamTls } from './network.ts'
import { UpstreamConnection } from './upstream-connection.ts'
import type { IdlePlace, UpstreamLink } from './upstream-link.ts'

export interface PoolSettings {
  /** Idle connections kept per key. A soft limit: surplus ones go at the next trim, not at once. */
  readonly size: number
  readonly idleTimeout: number
  readonly requests: number
}

/** APISIX's defaults for keepalive_pool. */
export const DEFAULT_POOL: PoolSettings = { size: 320, idleTimeout: 60_000, requests: 1000 }

export interface Endpoint {
  /** Same key, same server spoken to in the same way: connections are interchangeable. */
  readonly key: string
  readonly host: string
  readonly port: number
  readonly tls?: UpstreamTls | undefined
  /** Spoken to in HTTP/2, without asking. */
  readonly http2?: boolean | undefined
}

const TRIM_MS = 1000

/** The idle connections of one key, newest last. */
class IdleSet implements IdlePlace {
  readonly connections: UpstreamLink[] = []
  size = 0

  remove(connection: UpstreamLink): void {
    const index = this.connections.indexOf(connection)
    if (index !== -1) this.connections.splice(index, 1)
  }
}

/**
 * Idle upstream connections by key, newest first. A hard limit makes connections churn when more than `size` requests
 * run at once (measured: half the throughput at 1000 clients), so the limit is applied by a timer.
 */
export class ConnectionPool {
  readonly #deadlines: Deadlines
  readonly #network: Network
  readonly #idle = new Map<string, IdleSet>()
  readonly #timer: NodeJS.Timeout
  readonly #http2: H2UpstreamPool

  constructor(deadlines: Deadlines, network: Network) {
    this.#network = network
    this.#deadlines = deadlines
    this.#http2 = new H2UpstreamPool(deadlines, network)
    this.#timer = setInterval(() => this.#trim(), TRIM_MS).unref()
  }

  take(endpoint: Endpoint, settings: PoolSettings): UpstreamLink | undefined {
    if (endpoint.http2 === true) return this.#http2.take(endpoint, settings)
    const connections = this.#idle.get(endpoint.key)?.connections
    for (;;) {
      const connection = connections?.pop()
      if (connection === undefined) return undefined
      connection.idleIn = undefined
      if (!connection.closed) return connection
    }
  }

  put(connection: UpstreamLink, settings: PoolSettings): void {
    connection.detach()
    if (!connection.reusable || connection.requests >= settings.requests || settings.size === 0) {
      connection.destroy()
      return
    }
    let entry = this.#idle.get(connection.key)
    if (entry === undefined) {
      entry = new IdleSet()
      this.#idle.set(connection.key, entry)
    }
    entry.size = settings.size
    connection.arm(settings.idleTimeout)
    connection.idleIn = entry
    entry.connections.push(connection)
  }

  /** Opens a new connection; returns a function that cancels the attempt. */
  open(
    endpoint: Endpoint,
    settings: PoolSettings,
    settle: { onConnect(connection: UpstreamLink): void; onError(error: Error): void },
  ): () => void {
    if (endpoint.http2 === true) return this.#http2.open(endpoint, settings, settle)
    return this.#network.connect({
      host: endpoint.host,
      port: endpoint.port,
      tls: endpoint.tls,
      onConnect: (transport) =>
        settle.onConnect(new UpstreamConnection(endpoint.key, transport, this.#deadlines)),
      onError: settle.onError,
    })
  }

  /** Number of idle connections, of one key or of all. */
  idle(key?: string): number {
    if (key !== undefined) return this.#idle.get(key)?.connections.length ?? 0
    let total = this.#http2.idle
    for (const entry of this.#idle.values()) total += entry.connections.length
    return total
  }

  #trim(): void {
    this.#http2.trim()
    for (const [key, entry] of this.#idle) {
      const surplus = entry.connections.splice(0, Math.max(0, entry.connections.length - entry.size))
      for (const connection of surplus) {
        connection.idleIn = undefined
        connection.destroy()
      }
      if (entry.connections.length === 0) this.#idle.delete(key)
    }
  }

  close(): void {
    clearInterval(this.#timer)
    for (const entry of this.#idle.values()) {
      for (const connection of entry.connections.splice(0)) {
        connection.idleIn = undefined
        connection.destroy()
      }
    }
    this.#idle.clear()
    this.#http2.close()
  }
}
