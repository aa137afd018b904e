/** DNS over TCP (RFC 7766): pipelined queries, answers in the order they get ready, each batch in one segment. */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import type { Peer, Transport } from '../core/query.ts'
import { DnsError } from '../errors.ts'
import { guard, secureContext, type TlsSettings } from './tls.ts'
import type { Listener, Receiver } from './transport.ts'

export interface TcpLimits {
  /** milliseconds until the first query must be complete */
  readonly readTimeoutMs: number
  /** milliseconds a connection may be idle between queries */
  readonly idleTimeoutMs: number
  /** milliseconds an answer may wait for the client to read */
  readonly writeTimeoutMs: number
  /** queries a connection may have under way before reading from it pauses */
  readonly maxInFlight: number
  /** queries after which a connection is closed, so that clients spread over replicas; 0: no limit */
  readonly maxQueries: number
  readonly maxConnections: number
}

export const defaultTcpLimits: TcpLimits = {
  readTimeoutMs: 3000,
  idleTimeoutMs: 10_000,
  writeTimeoutMs: 5000,
  maxInFlight: 128,
  maxQueries: 0,
  maxConnections: 10_000,
}

export interface TcpOptions {
  /** undefined: every local address, both families */
  readonly address: string | undefined
  readonly port: number
  /** several sockets share address and port (worker processes) */
  readonly reusePort?: boolean | undefined
  readonly limits?: Partial<TcpLimits> | undefined
  /** DNS over TLS (RFC 7858) if given */
  readonly tls?: TlsSettings | undefined
  readonly receiver: Receiver
}

/** Listens. Throws DnsError DNS_LISTEN. */
export async function listenTcp(options: TcpOptions): Promise<Listener> {
  const limits = { ...defaultTcpLimits, ...options.limits }
  const connections = new Set<Connection>()
  const server = await bind(options)
  const transport = options.tls === undefined ? 'tcp' : 'tls'
  server.maxConnections = limits.maxConnections
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.port
  const listener: Listener = {
    transport,
    receiver: options.receiver,
    renew: (settings) => (server as Partial<TlsServer>).setSecureContext?.(secureContext(settings)),
    addresses: () => [options.address ?? '::'],
    port: () => port,
    close: async (graceMs) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const connection of connections) connection.finish()
      const timer = setTimeout(() => {
        for (const connection of connections) connection.destroy()
      }, graceMs)
      await closed
      clearTimeout(timer)
    },
  }
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    const connection = new Connection(socket, transport, limits, (wire, peer, respond) =>
      listener.receiver(wire, peer, respond),
    )
    connections.add(connection)
    socket.once('close', () => connections.delete(connection))
  })
  // Running out of descriptors is no reason to stop: accept() goes on when some are free again.
  server.on('error', () => undefined)
  server.on('tlsClientError', () => undefined)
  return listener
}

async function bind(options: TcpOptions): Promise<Server> {
  const attempt = async (host: string): Promise<Server> => {
    const server = open(options.tls)
    server.listen({
      host,
      port: options.port,
      ipv6Only: host.includes(':') && options.address !== undefined,
      reusePort: options.reusePort === true,
    })
    await once(server, 'listening')
    return server
  }
  try {
    if (options.address !== undefined) return await attempt(options.address)
    return await attempt('::').catch((error: NodeJS.ErrnoException) => {
      // no IPv6 in this kernel or namespace
      if (error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL') return attempt('0.0.0.0')
      throw error
    })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new DnsError(
      'DNS_LISTEN',
      `cannot listen on ${options.tls === undefined ? 'tcp' : 'tls'} ${options.address ?? '*'} port ${options.port}: ${reason}`,
      { cause },
    )
  }
}

function open(tls: TlsSettings | undefined): Server {
  if (tls === undefined) return createServer({ noDelay: true, pauseOnConnect: false })
  const { requestCert, rejectUnauthorized } = tls
  const server = createTlsServer({
    ...secureContext(tls),
    requestCert,
    rejectUnauthorized,
    ALPNProtocols: ['dot'],
    noDelay: true,
  })
  guard(server, tls)
  return server
}

class Connection {
  readonly #socket: Socket
  readonly #limits: TcpLimits
  readonly #receive: Receiver
  readonly #peer: Peer
  #buffered: Buffer = Buffer.alloc(0)
  #out: Buffer[] = []
  #inFlight = 0
  #queries = 0
  #ending = false

  constructor(socket: Socket, transport: Transport, limits: TcpLimits, receive: Receiver) {
    this.#socket = socket
    this.#limits = limits
    this.#receive = receive
    this.#peer = {
      transport,
      clientFamily: unmapped(socket.remoteAddress).includes(':') ? 6 : 4,
      clientAddress: unmapped(socket.remoteAddress),
      clientPort: socket.remotePort ?? 0,
      localAddress: unmapped(socket.localAddress),
      localPort: socket.localPort ?? 0,
    }
    socket.setTimeout(limits.readTimeoutMs)
    socket.on('timeout', () => {
      if (this.#inFlight === 0 || socket.writableLength > 0) socket.destroy()
    })
    socket.on('data', (chunk: Buffer) => this.#data(chunk))
    socket.on('end', () => this.finish())
    socket.on('error', () => socket.destroy())
  }

  /** Takes no more queries and closes when those under way are answered. */
  finish(): void {
    this.#ending = true
    this.#socket.pause()
    this.#endIfDone()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #data(chunk: Buffer): void {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk])
    this.#drain()
  }

  /** Hands on every complete query that is buffered, while not too many are under way. */
  #drain(): void {
    let position = 0
    const buffered = this.#buffered
    while (!this.#ending && this.#inFlight < this.#limits.maxInFlight && position + 2 <= buffered.length) {
      const end = position + 2 + buffered.readUInt16BE(position)
      if (end > buffered.length) break
      this.#take(buffered.subarray(position + 2, end))
      position = end
    }
    this.#buffered = position === buffered.length ? Buffer.alloc(0) : buffered.subarray(position)
    if (this.#inFlight >= this.#limits.maxInFlight) this.#socket.pause()
    else if (!this.#ending) this.#socket.resume()
  }

  #take(wire: Buffer): void {
    // Messages too short for an answer would otherwise keep a connection open for ever.
    if (wire.length < 12 || (wire[2] as number) > 127) {
      this.#socket.destroy()
      this.#ending = true
      return
    }
    this.#queries += 1
    this.#inFlight += 1
    this.#socket.setTimeout(this.#limits.idleTimeoutMs)
    if (this.#limits.maxQueries > 0 && this.#queries >= this.#limits.maxQueries) this.#ending = true
    this.#receive(wire, this.#peer, (octets, how) => this.#respond(octets, how))
  }

  #respond(octets: Buffer | undefined, how?: { readonly more: boolean }): void {
    if (how?.more !== true) this.#inFlight -= 1
    if (octets === undefined) {
      process.nextTick(() => this.#endIfDone())
      return
    }
    const framed = Buffer.allocUnsafe(octets.length + 2)
    framed.writeUInt16BE(octets.length, 0)
    octets.copy(framed, 2)
    if (this.#out.length === 0) process.nextTick(() => this.#flush())
    this.#out.push(framed)
  }

  #flush(): void {
    const out = this.#out
    this.#out = []
    const socket = this.#socket
    if (!socket.destroyed && !socket.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out))) {
      socket.setTimeout(this.#limits.writeTimeoutMs)
      socket.once('drain', () => socket.setTimeout(this.#limits.idleTimeoutMs))
    }
    this.#drain()
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#ending && this.#inFlight === 0 && this.#out.length === 0 && !this.#socket.destroyed)
      this.#socket.end()
  }
}

/** '::ffff:10.0.0.1' of a dual-stack socket is 10.0.0.1. */
export function unmapped(address: string | undefined): string {
  if (address === undefined) return ''
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
