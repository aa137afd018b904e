import type { Logger } from 'pino'
import {
  type Deadlines,
  type InheritedPort,
  type Network,
  type Port,
  ProxiedConnection,
  type TlsSettings,
  type Transport,
} from '../http/index.ts'
import { StreamConnection, type StreamCounters } from './stream-connection.ts'
import type { StreamTable } from './stream-table.ts'

export interface StreamListenOptions {
  readonly host: string
  readonly port: number
  readonly reusePort: boolean
  /** Go on with the port that another listener released. */
  readonly inherited?: InheritedPort | undefined
  /** Given: the port ends TLS, and routes may go by the name of the handshake. */
  readonly tls: TlsSettings | undefined
  readonly proxyProtocol: boolean
  /** Tell servers who is connected. */
  readonly proxyProtocolOut: 1 | 2 | undefined
  readonly network: Network
  readonly deadlines: Deadlines
  readonly table: StreamTable
  readonly counters: StreamCounters
  readonly log: Logger
}

const HEADER_MS = 10_000

/** A TCP port of the stream proxy. */
export class StreamListener {
  readonly #connections = new Set<StreamConnection>()
  #options: StreamListenOptions
  #port: Port | undefined
  /** Another listener has its port. */
  released = false
  #draining = false
  #whenEmpty: (() => void) | undefined

  private constructor(options: StreamListenOptions) {
    this.#options = options
  }

  /** Resolves once the port is open; rejects with the system's error (EADDRINUSE ...). */
  static async open(options: StreamListenOptions): Promise<StreamListener> {
    const listener = new StreamListener(options)
    const { host, port, reusePort, inherited, network, tls, deadlines } = options
    const proxied = options.proxyProtocol ? { deadlines, timeout: HEADER_MS } : undefined
    const onConnection = (transport: Transport) => {
      if (proxied === undefined || tls !== undefined) listener.#take(transport)
      else new ProxiedConnection(transport, proxied, (one) => listener.#take(one))
    }
    const shared = { host, port, reusePort, inherited, onConnection }
    listener.#port =
      tls === undefined
        ? await network.accept(shared)
        : await network.acceptTls({
            ...shared,
            tls,
            deadlines,
            proxied,
            onHttp2: (socket) => socket.destroy(),
          })
    return listener
  }

  get address(): { readonly host: string; readonly port: number } {
    return this.#port?.address ?? { host: '', port: 0 }
  }
  get connections(): number {
    return this.#connections.size
  }

  /** Gives the port up for another listener to go on with; connections stay here. */
  release(): InheritedPort | undefined {
    this.released = true
    return this.#port?.release()
  }

  /** From now on connections are routed by that table; those that are open stay where they are. */
  turnTo(table: StreamTable, { proxyProtocolOut }: Pick<StreamListenOptions, 'proxyProtocolOut'>): void {
    this.#options = { ...this.#options, table, proxyProtocolOut }
  }

  #take(transport: Transport): void {
    if (this.#draining) {
      transport.destroy()
      return
    }
    const connection = new StreamConnection(transport, this.#options, () => {
      this.#connections.delete(connection)
      if (this.#connections.size === 0) this.#whenEmpty?.()
    })
    this.#connections.add(connection)
    connection.start()
  }

  /** Stops accepting; connections may end by themselves for up to `graceMs`, then are cut. */
  async close(graceMs: number): Promise<void> {
    this.#draining = true
    const closed = this.#port?.close()
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs)
        this.#whenEmpty = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    for (const connection of this.#connections) connection.destroy()
    await closed
  }
}
