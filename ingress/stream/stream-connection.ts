import type { Logger } from 'pino'
import {
  type Deadlines,
  type Network,
  type Receiver,
  serverNameOf,
  type Timed,
  type Transport,
  writeProxyHeader,
} from '../http/index.ts'
import type { Server, UpstreamGroup } from '../upstream/index.ts'
import { Splice } from './splice.ts'
import type { CompiledStream, StreamPeer, StreamTable } from './stream-table.ts'

export interface StreamCounters {
  connection(route: string): void
}

export interface StreamContext {
  readonly tls: object | undefined
  readonly proxyProtocolOut: 1 | 2 | undefined
  readonly network: Network
  readonly deadlines: Deadlines
  readonly table: StreamTable
  readonly counters: StreamCounters
  readonly log: Logger
}

const NAME_MS = 10_000
const NAME_BYTES = 64 * 1024
const IDLE_MS = 600_000
const HOLD_BYTES = 256 * 1024

/** A TCP connection of a client: finds its route (after a look at the TLS handshake where names matter), then a server. */
export class StreamConnection implements Receiver, Timed {
  deadline = Number.POSITIVE_INFINITY
  readonly #client: Transport
  readonly #context: StreamContext
  readonly #onEnd: () => void
  #held: Buffer = Buffer.alloc(0)
  #looking = false
  #ended = false
  #closed = false
  #tried: Set<string> | undefined
  #cancel: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #splice: Splice | undefined

  constructor(client: Transport, context: StreamContext, onEnd: () => void) {
    this.#client = client
    this.#context = context
    this.#onEnd = onEnd
    client.receiver = this
  }

  start(): void {
    const { table, tls, deadlines } = this.#context
    deadlines.add(this)
    if (tls !== undefined) this.#route(this.#client.servername ?? '')
    else if (table.usesNames(this.#client.localPort)) {
      this.#looking = true
      this.deadline = deadlines.now + NAME_MS
    } else this.#route(undefined)
  }

  onData(buffer: Buffer, length: number): void {
    this.#held = Buffer.concat([this.#held, buffer.subarray(0, length)])
    if (!this.#looking) {
      if (this.#held.length > HOLD_BYTES) this.#client.pause()
      return
    }
    const found = serverNameOf(this.#held)
    if (found !== 'incomplete') this.#route(found?.name)
    else if (this.#held.length > NAME_BYTES) this.destroy()
  }

  #route(sni: string | undefined): void {
    this.#looking = false
    this.deadline = Number.POSITIVE_INFINITY
    const { table } = this.#context
    const { remoteAddress, remotePort, localAddress, localPort } = this.#client
    const peer: StreamPeer = { remoteAddress, remotePort, localAddress, localPort, sni }
    const route = table.find(peer)
    const group = route === undefined ? undefined : table.groupOf(route)
    if (route === undefined || group === undefined || !route.allowed(remoteAddress)) {
      this.destroy()
      return
    }
    this.#context.counters.connection(route.id)
    this.#try(route, group, peer, group.retries + 1)
  }

  #try(route: CompiledStream, group: UpstreamGroup, peer: StreamPeer, tries: number): void {
    const server = tries === 0 ? undefined : group.pick((name) => streamVariable(peer, name), this.#tried)
    if (server === undefined) {
      this.#context.log.warn({ route: route.id, client: peer.remoteAddress }, 'no server for a stream')
      this.destroy()
      return
    }
    const { tls } = group
    if (typeof tls === 'number') {
      this.#context.log.error({ route: route.id }, 'the certificate towards the upstream is not there')
      this.destroy()
      return
    }
    group.begun(server)
    const failed = (kind: 'unreachable' | 'timeout', error: Error | undefined) => {
      clearTimeout(this.#timer)
      this.#cancel = undefined
      group.ended(server)
      group.failed(server, kind)
      ;(this.#tried ??= new Set()).add(server.name)
      this.#context.log.warn(
        { upstream: server.name, route: route.id, error: error?.message },
        'upstream failed',
      )
      if (!this.#closed) this.#try(route, group, peer, tries - 1)
    }
    this.#timer = setTimeout(() => {
      this.#cancel?.()
      failed('timeout', undefined)
    }, group.connectTimeout)
    const cancel = this.#context.network.connect({
      host: server.host,
      port: server.port,
      ...(group.config.scheme === 'tls' ? { tls: { servername: server.host, ...tls } } : {}),
      onConnect: (transport) => {
        clearTimeout(this.#timer)
        this.#cancel = undefined
        this.#connected(transport, group, server, peer)
      },
      onError: (error) => failed('unreachable', error),
    })
    this.#cancel = () => {
      cancel()
      clearTimeout(this.#timer)
      group.ended(server)
      this.#cancel = undefined
    }
  }

  #connected(transport: Transport, group: UpstreamGroup, server: Server, peer: StreamPeer): void {
    const { deadlines, proxyProtocolOut } = this.#context
    deadlines.remove(this)
    const idleTimeout = group.config.timeout === undefined ? IDLE_MS : group.readTimeout
    this.#splice = new Splice(this.#client, transport, { deadlines, idleTimeout }, () => {
      group.ended(server)
      this.#onEnd()
    })
    if (proxyProtocolOut !== undefined) {
      const { remoteAddress, remotePort, localAddress, localPort } = peer
      const header = writeProxyHeader(proxyProtocolOut, {
        source: { address: remoteAddress, port: remotePort },
        destination: { address: localAddress, port: localPort },
      })
      transport.write(header)
    }
    if (this.#held.length > 0) this.#client.receiver.onData(this.#held, this.#held.length)
    this.#held = Buffer.alloc(0)
    this.#client.resume()
    if (this.#ended) transport.end()
  }

  onDrain(): void {}
  onEnd(): void {
    this.#ended = true
    if (this.#looking) this.destroy()
  }

  onClose(): void {
    this.#closed = true
    this.#cancel?.()
    this.#context.deadlines.remove(this)
    this.#onEnd()
  }

  destroy(): void {
    this.#cancel?.()
    if (this.#splice === undefined) this.#client.destroy()
    else this.#splice.destroy()
  }

  onDeadline(): void {
    // A client that waits for the server to speak first has no name to tell.
    if (this.#looking && this.#held.length === 0) this.#route(undefined)
    else this.destroy()
  }
}

/** nginx's variables as far as a stream has them. */
export function streamVariable(peer: StreamPeer, name: string): string | number | undefined {
  switch (name) {
    case 'remote_addr':
      return peer.remoteAddress
    case 'remote_port':
      return peer.remotePort
    case 'server_addr':
      return peer.localAddress
    case 'server_port':
      return peer.localPort
    case 'ssl_preread_server_name':
    case 'ssl_server_name':
      return peer.sni
    default:
      return undefined
  }
}
