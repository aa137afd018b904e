import net from 'node:net'
import { ClientConnection } from './client-connection.ts'
import type { Deadlines } from './deadlines.ts'
import { NetTransport } from './net-transport.ts'
import type { ConnectionContext, ServerHandler } from './server-handler.ts'
import type { ServerSettings } from './settings.ts'

export interface ListenOptions {
  readonly host: string
  readonly port: number
  /** Several processes may listen on the port; the kernel spreads connections (SO_REUSEPORT). */
  readonly reusePort?: boolean
  readonly settings: ServerSettings
  readonly deadlines: Deadlines
  readonly handler: ServerHandler
}

/** A listening socket and its client connections. */
export class Listener implements ConnectionContext {
  readonly settings: ServerSettings
  readonly deadlines: Deadlines
  readonly handler: ServerHandler
  draining = false
  readonly #server: net.Server
  readonly #connections = new Set<ClientConnection>()
  #whenEmpty: (() => void) | undefined

  private constructor(options: ListenOptions) {
    this.settings = options.settings
    this.deadlines = options.deadlines
    this.handler = options.handler
    this.#server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      this.#connections.add(new ClientConnection(new NetTransport(socket), this))
    })
  }

  /** Resolves once the port is open; rejects with the system's error (EADDRINUSE ...). */
  static async open(options: ListenOptions): Promise<Listener> {
    const listener = new Listener(options)
    await new Promise<void>((resolve, reject) => {
      listener.#server.once('error', reject)
      listener.#server.listen(
        { host: options.host, port: options.port, backlog: 4096, reusePort: options.reusePort ?? false },
        () => {
          listener.#server.removeListener('error', reject)
          resolve()
        },
      )
    })
    return listener
  }

  get address(): { readonly host: string; readonly port: number } {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') return { host: '', port: 0 }
    return { host: address.address, port: address.port }
  }

  get connections(): number {
    return this.#connections.size
  }

  onConnectionClose(connection: ClientConnection): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#whenEmpty?.()
  }

  /** Stops accepting, lets running requests finish for up to `graceMs`, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.draining = true
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const connection of this.#connections) connection.drain()
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
