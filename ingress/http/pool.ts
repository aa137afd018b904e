import type { Deadlines } from './deadlines.ts'
import type { Network, UpstreamTls } from './network.ts'
import { type IdlePlace, UpstreamConnection } from './upstream-connection.ts'

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
}

const TRIM_MS = 1000

/** The idle connections of one key, newest last. */
class IdleSet implements IdlePlace {
  readonly connections: UpstreamConnection[] = []
  size = 0

  remove(connection: UpstreamConnection): void {
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

  constructor(deadlines: Deadlines, network: Network) {
    this.#network = network
    this.#deadlines = deadlines
    this.#timer = setInterval(() => this.#trim(), TRIM_MS).unref()
  }

  take(key: string): UpstreamConnection | undefined {
    const connections = this.#idle.get(key)?.connections
    for (;;) {
      const connection = connections?.pop()
      if (connection === undefined) return undefined
      connection.idleIn = undefined
      if (!connection.closed) return connection
    }
  }

  put(connection: UpstreamConnection, settings: PoolSettings): void {
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
    settle: { onConnect(connection: UpstreamConnection): void; onError(error: Error): void },
  ): () => void {
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
    let total = 0
    for (const entry of this.#idle.values()) total += entry.connections.length
    return total
  }

  #trim(): void {
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
  }
}
