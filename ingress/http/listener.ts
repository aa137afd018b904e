import { ClientConnection } from './client-connection.ts'
import type { Deadlines } from './deadlines.ts'
import { H2ClientConnection } from './h2/h2-client-connection.ts'
import type { InheritedPort, Network, Port } from './network.ts'
import { ProxiedConnection } from './proxied-connection.ts'
import type { ConnectionContext, ServerHandler } from './server-handler.ts'
import type { ServerSettings } from './settings.ts'
import type { TlsSettings } from './tls-settings.ts'
import type { Transport } from './transport.ts'

export interface ListenOptions {
  readonly host: string
  readonly port: number
  /** Several processes may listen on the port; the kernel spreads connections (SO_REUSEPORT). */
  readonly reusePort?: boolean
  /** Go on with the port that another listener released. */
  readonly inherited?: InheritedPort | undefined
  readonly network: Network
  /** Given: the port speaks TLS. */
  readonly tls?: TlsSettings | undefined
  /** Without TLS: take HTTP/2 from clients that begin with its preface. */
  readonly http2?: boolean | undefined
  /** Connections begin with a PROXY protocol header. */
  readonly proxyProtocol?: boolean | undefined
  readonly settings: ServerSettings
  readonly deadlines: Deadlines
  readonly handler: ServerHandler
}

/** How long a connection that was just accepted may take to ask, once the port is closed. */
const FIRST_REQUEST_MS = 500

/** A listening socket and its client connections. */
export class Listener implements ConnectionContext {
  settings: ServerSettings
  readonly deadlines: Deadlines
  handler: ServerHandler
  readonly toHttp2: ((connection: ClientConnection, received: Buffer) => void) | undefined
  draining = false
  /** Connections taken so far. */
  accepted = 0
  #port: Port | undefined
  /** Another listener has its port. */
  released = false
  readonly #connections = new Set<ClientConnection | H2ClientConnection>()
  #whenEmpty: (() => void) | undefined

  private constructor(options: ListenOptions) {
    this.settings = options.settings
    this.deadlines = options.deadlines
    this.handler = options.handler
    this.toHttp2 =
      options.http2 === true && options.tls === undefined
        ? (connection, received) => this.#switch(connection, received)
        : undefined
  }

  /** Resolves once the port is open; rejects with the system's error (EADDRINUSE ...). */
  static async open(options: ListenOptions): Promise<Listener> {
    const listener = new Listener(options)
    const { host, port, reusePort = false, inherited, network, tls } = options
    const { deadlines } = options
    const proxied = options.proxyProtocol ? { deadlines, timeout: options.settings.headerTimeout } : undefined
    const onConnection = (transport: Transport) => {
      if (proxied === undefined || tls !== undefined) listener.take(transport)
      else new ProxiedConnection(transport, proxied, (one) => listener.take(one))
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
            onHttp2: (transport) => {
              listener.accepted++
              listener.takeHttp2(transport)
            },
          })
    return listener
  }

  /** Gives the port up for another listener to go on with; connections stay here. */
  release(): InheritedPort | undefined {
    this.released = true
    return this.#port?.release()
  }

  /** From now on requests go there, also those of connections that are open already. */
  turnTo(handler: ServerHandler, settings: ServerSettings): void {
    this.handler = handler
    this.settings = settings
  }

  /** Serves HTTP/1.1 on a connection. */
  take(transport: Transport): void {
    this.accepted++
    if (this.draining) transport.destroy()
    else this.#connections.add(new ClientConnection(transport, this))
  }

  /** Serves HTTP/2 on a connection whose handshake chose it, or whose first bytes did: those are given. */
  takeHttp2(transport: Transport, received?: Buffer): void {
    if (this.draining) {
      transport.destroy()
      return
    }
    const connection = new H2ClientConnection(transport, this, (one) => this.onConnectionClose(one))
    this.#connections.add(connection)
    if (received !== undefined) connection.onData(received, received.length)
  }

  #switch(connection: ClientConnection, received: Buffer): void {
    this.takeHttp2(connection.transport, received)
    this.onConnectionClose(connection)
  }

  get address(): { readonly host: string; readonly port: number } {
    return this.#port?.address ?? { host: '', port: 0 }
  }

  get connections(): number {
    return this.#connections.size
  }

  /** Kept-alive connections without a request. */
  get waiting(): number {
    let count = 0
    for (const connection of this.#connections) if (connection.idle) count++
    return count
  }

  onConnectionClose(connection: ClientConnection | H2ClientConnection): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#whenEmpty?.()
  }

  /** Stops accepting, lets running requests finish for up to `graceMs`, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.draining = true
    const closed = this.#port?.close()
    for (const connection of this.#connections) connection.drain()
    if (this.#connections.size > 0) {
      const first = setTimeout(() => this.#drainFresh(), Math.min(graceMs, FIRST_REQUEST_MS))
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs)
        this.#whenEmpty = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      clearTimeout(first)
    }
    for (const connection of this.#connections) connection.destroy()
    await closed
  }

  /** Connections that were accepted and have asked for nothing yet. */
  #drainFresh(): void {
    for (const connection of this.#connections) if (connection instanceof ClientConnection) connection.drain()
  }
}
