import type { Deadlines } from '../deadlines.ts'
import type { Network } from '../network.ts'
import type { Endpoint, PoolSettings } from '../pool.ts'
import type { UpstreamLink } from '../upstream-link.ts'
import { H2UpstreamConnection } from './h2-upstream-connection.ts'
import { CONCURRENT_STREAMS } from './limits.ts'

interface Settle {
  onConnect(link: UpstreamLink): void
  onError(error: Error): void
}

/** A connection that is being opened, and who waits for it. */
interface Attempt {
  readonly endpoint: Endpoint
  readonly settings: PoolSettings
  readonly waiting: Set<Waiting>
  cancel(): void
}

interface Waiting {
  readonly settle: Settle
  attempt: Attempt
}

/** HTTP/2 connections to upstream servers. Requests share them; a further one is opened when all are full. */
export class H2UpstreamPool {
  readonly #deadlines: Deadlines
  readonly #network: Network
  readonly #connections = new Map<string, Set<H2UpstreamConnection>>()
  /** The latest that others may join, by key. */
  readonly #attempts = new Map<string, Attempt>()
  #closed = false

  constructor(deadlines: Deadlines, network: Network) {
    this.#deadlines = deadlines
    this.#network = network
  }

  /** Connections without a request. */
  get idle(): number {
    let count = 0
    for (const connections of this.#connections.values()) count += idleOf(connections).length
    return count
  }

  /** A stream of a connection that is there. */
  take({ key }: Endpoint, settings: PoolSettings): UpstreamLink | undefined {
    for (const connection of this.#connections.get(key) ?? [])
      if (connection.hasRoom) return connection.stream(settings)
    return undefined
  }

  /** A stream of a connection that is being opened, or of a new one; returns a function that cancels the attempt. */
  open(endpoint: Endpoint, settings: PoolSettings, settle: Settle): () => void {
    const known = this.#attempts.get(endpoint.key)
    const room = Math.min(CONCURRENT_STREAMS, settings.requests)
    const attempt =
      known !== undefined && known.waiting.size < room ? known : this.#connect(endpoint, settings)
    const waiting: Waiting = { settle, attempt }
    attempt.waiting.add(waiting)
    return () => {
      const { attempt: one } = waiting
      if (one.waiting.delete(waiting) && one.waiting.size === 0) {
        this.#leaveOut(one)
        one.cancel()
      }
    }
  }

  #connect(endpoint: Endpoint, settings: PoolSettings): Attempt {
    const attempt: Attempt = { endpoint, settings, waiting: new Set(), cancel() {} }
    this.#attempts.set(endpoint.key, attempt)
    const owner = {
      onReady: (connection: H2UpstreamConnection) => this.#ready(attempt, connection),
      onRetired: (connection: H2UpstreamConnection, error: Error | undefined) => {
        this.#forget(connection)
        this.#failed(attempt, error ?? new Error('the server takes no requests'))
      },
    }
    attempt.cancel = this.#network.connect({
      host: endpoint.host,
      port: endpoint.port,
      tls: endpoint.tls === undefined ? undefined : { ...endpoint.tls, alpn: ['h2'] },
      onConnect: (transport) => {
        const connection = new H2UpstreamConnection(transport, this.#deadlines, { endpoint, settings, owner })
        attempt.cancel = () => connection.destroy()
      },
      onError: (error) => this.#failed(attempt, error),
    })
    return attempt
  }

  #ready(attempt: Attempt, connection: H2UpstreamConnection): void {
    const { endpoint, settings } = attempt
    this.#connections.set(endpoint.key, (this.#connections.get(endpoint.key) ?? new Set()).add(connection))
    const left: Waiting[] = []
    for (const one of this.#settle(attempt)) {
      if (connection.hasRoom) one.settle.onConnect(connection.stream(settings))
      else left.push(one)
    }
    if (this.#closed || connection.idle) connection.retire()
    if (left.length === 0) return
    if (connection.requests === 0) {
      for (const { settle } of left) settle.onError(new Error('the server allows no requests'))
      return
    }
    const next = this.#attempts.get(endpoint.key) ?? this.#connect(endpoint, settings)
    for (const one of left) {
      one.attempt = next
      next.waiting.add(one)
    }
  }

  #failed(attempt: Attempt, error: Error): void {
    for (const { settle } of this.#settle(attempt)) settle.onError(error)
  }

  /** Those who waited, and wait no more. */
  #settle(attempt: Attempt): Waiting[] {
    this.#leaveOut(attempt)
    const waiting = [...attempt.waiting]
    attempt.waiting.clear()
    return waiting
  }

  /** Nobody joins the attempt any more. */
  #leaveOut(attempt: Attempt): void {
    const { key } = attempt.endpoint
    if (this.#attempts.get(key) === attempt) this.#attempts.delete(key)
  }

  #forget(connection: H2UpstreamConnection): void {
    const connections = this.#connections.get(connection.key)
    connections?.delete(connection)
    if (connections?.size === 0) this.#connections.delete(connection.key)
  }

  /** Closes idle connections beyond the number that is kept of a key. */
  trim(): void {
    for (const connections of this.#connections.values()) {
      const idle = idleOf(connections)
      const kept = idle.at(-1)?.settings.size ?? 0
      for (const connection of idle.slice(0, Math.max(0, idle.length - kept))) connection.retire()
    }
  }

  /** Closes idle connections, the others when their requests are over. */
  close(): void {
    this.#closed = true
    for (const connections of [...this.#connections.values()])
      for (const connection of [...connections]) connection.retire()
  }
}

function idleOf(connections: ReadonlySet<H2UpstreamConnection>): H2UpstreamConnection[] {
  return [...connections].filter(({ idle }) => idle)
}
