import dgram from 'node:dgram'
import { lookup } from 'node:dns/promises'
import net from 'node:net'
import type { Logger } from 'pino'
import type { Server, UpstreamGroup } from '../upstream/index.ts'
import { type StreamCounters, streamVariable } from './stream-connection.ts'
import type { StreamPeer, StreamTable } from './stream-table.ts'

export interface UdpListenOptions {
  readonly host: string
  readonly port: number
  readonly reusePort: boolean
  readonly table: StreamTable
  readonly counters: StreamCounters
  readonly log: Logger
}

const IDLE_MS = 60_000
const SWEEP_MS = 1000
/** A flood of forged addresses must not use up the descriptors. */
const MOST_SESSIONS = 16_384

interface Session {
  readonly socket: dgram.Socket
  readonly group: UpstreamGroup
  readonly server: Server
  readonly idleMs: number
  last: number
}

/** A UDP port of the stream proxy: a session per client address, over a socket of its own towards the server. */
export class UdpListener {
  #options: UdpListenOptions
  readonly #socket: dgram.Socket
  readonly #sessions = new Map<string, Session>()
  readonly #timer: NodeJS.Timeout

  private constructor(options: UdpListenOptions, socket: dgram.Socket) {
    this.#options = options
    this.#socket = socket
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref()
    socket.on('message', (message, from) => this.#received(message, from))
    socket.on('error', (error) => options.log.warn({ err: error }, 'UDP port of the stream proxy'))
  }

  /** Resolves once the port is open; rejects with the system's error (EADDRINUSE ...). */
  static async open(options: UdpListenOptions): Promise<UdpListener> {
    const { port, reusePort } = options
    const host = net.isIP(options.host) === 0 ? (await lookup(options.host)).address : options.host
    const socket = dgram.createSocket({ type: net.isIPv6(host) ? 'udp6' : 'udp4', reusePort })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(port, host, () => {
        socket.removeListener('error', reject)
        resolve()
      })
    })
    return new UdpListener(options, socket)
  }

  get address(): { readonly host: string; readonly port: number } {
    const { address, port } = this.#socket.address()
    return { host: address, port }
  }
  get connections(): number {
    return this.#sessions.size
  }

  /** From now on sessions are routed by that table; those that are open stay where they are. */
  turnTo(table: StreamTable): void {
    this.#options = { ...this.#options, table }
  }

  #received(message: Buffer, from: dgram.RemoteInfo): void {
    const key = `${from.address} ${from.port}`
    const session = this.#sessions.get(key) ?? this.#begin(key, from)
    if (session === undefined) return
    session.last = performance.now()
    session.socket.send(message, session.server.port, session.server.host)
  }

  #begin(key: string, from: dgram.RemoteInfo): Session | undefined {
    const { table, counters } = this.#options
    const { host, port } = this.address
    const peer: StreamPeer = {
      remoteAddress: from.address,
      remotePort: from.port,
      localAddress: host,
      localPort: port,
      sni: undefined,
    }
    const route = this.#sessions.size >= MOST_SESSIONS ? undefined : table.find(peer)
    const group = route === undefined ? undefined : table.groupOf(route)
    if (route === undefined || group === undefined || !route.allowed(from.address)) return undefined
    const server = group.pick((name) => streamVariable(peer, name), undefined)
    if (server === undefined) return undefined
    counters.connection(route.id)
    group.begun(server)
    const socket = dgram.createSocket(net.isIPv6(server.host) ? 'udp6' : 'udp4')
    const idleMs = group.config.timeout === undefined ? IDLE_MS : group.readTimeout
    const session: Session = { socket, group, server, idleMs, last: performance.now() }
    this.#sessions.set(key, session)
    socket.on('message', (answer, sender) => {
      // Only the server itself answers for the server.
      if (sender.port !== server.port) return
      session.last = performance.now()
      this.#socket.send(answer, from.port, from.address)
    })
    socket.on('error', () => {
      group.failed(server, 'unreachable')
      this.#end(key, session)
    })
    return session
  }

  #end(key: string, session: Session): void {
    if (!this.#sessions.delete(key)) return
    session.group.ended(session.server)
    session.socket.close()
  }

  #sweep(): void {
    const now = performance.now()
    for (const [key, session] of this.#sessions)
      if (now - session.last > session.idleMs) this.#end(key, session)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    for (const [key, session] of this.#sessions) this.#end(key, session)
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
  }
}
