import type { TLSSocket } from 'node:tls'
import type { Logger } from 'pino'
import { ApiConnectionError } from '../errors.ts'
import { type DialOptions, dial, type TlsMaterial } from './dial.ts'
import { Http1Transport } from './http1-transport.ts'
import { Http2Transport, type PingTiming } from './http2-transport.ts'
import type { Transport } from './transport.ts'

export interface ConnectionsOptions {
  /** API servers, tried in turn when one does not answer */
  readonly servers: readonly URL[]
  /** the proxy on the way to a server */
  readonly proxy: (server: URL) => URL | undefined
  /** read anew for each connection, so that rotated files take effect */
  readonly tls: () => TlsMaterial | Promise<TlsMaterial>
  readonly log: Logger
  readonly ping: PingTiming
  /** how long an HTTP/1.1 watch may be silent */
  readonly http1SilenceMs: number
  readonly connectTimeoutMs: number
  /** what to offer; both by default */
  readonly protocols?: readonly ('h2' | 'http/1.1')[] | undefined
}

/** The current transport to the API server, made anew when it broke or was retired. */
export class Connections {
  readonly #options: ConnectionsOptions
  #current: Transport | undefined
  #opening: Promise<Transport> | undefined
  readonly #retired = new Set<Transport>()
  #server = 0
  #closed = false
  /** connections opened so far */
  opened = 0

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  /** The server in use, or to be tried next. */
  get server(): URL {
    const { servers } = this.#options
    const server = servers[this.#server % servers.length]
    if (server === undefined) throw new ApiConnectionError('no API server is configured')
    return server
  }

  get protocol(): Transport['protocol'] | undefined {
    return this.#current?.usable === true ? this.#current.protocol : undefined
  }

  /** A usable transport; concurrent callers share one connection attempt. Throws ApiConnectionError. */
  async transport(): Promise<Transport> {
    if (this.#closed) throw new ApiConnectionError('closed')
    if (this.#current?.usable === true) return this.#current
    if (this.#current !== undefined) this.#retired.add(this.#current)
    this.#current = undefined
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined))
    return this.#opening
  }

  /** The next request opens a new connection; what runs may finish. */
  renew(): void {
    this.#current?.retire()
  }

  /** Breaks off all connections for good. */
  close(): void {
    this.#closed = true
    this.#current?.destroy()
    for (const transport of this.#retired) transport.destroy()
  }

  async #open(): Promise<Transport> {
    const { server } = this
    try {
      const transport = await this.#connect(server)
      if (this.#closed) {
        transport.destroy()
        throw new ApiConnectionError('closed')
      }
      this.opened++
      this.#current = transport
      this.#options.log.debug(
        { server: server.host, protocol: transport.protocol },
        'connected to API server',
      )
      return transport
    } catch (error) {
      this.#server++
      throw error
    }
  }

  async #connect(server: URL): Promise<Transport> {
    const { proxy, ping, http1SilenceMs, connectTimeoutMs, protocols = ['h2', 'http/1.1'] } = this.#options
    const options: DialOptions = {
      server,
      proxy: proxy(server),
      protocols,
      tls: await this.#options.tls(),
      timeoutMs: connectTimeoutMs,
    }
    if (server.protocol === 'https:' && protocols.includes('h2')) {
      const socket = (await dial(options)) as TLSSocket
      if (socket.alpnProtocol === 'h2') return new Http2Transport(server, socket, ping)
      socket.destroy()
    }
    return new Http1Transport(options, http1SilenceMs)
  }
}
