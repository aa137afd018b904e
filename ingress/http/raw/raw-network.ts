import { lookup } from 'node:dns/promises'
import net from 'node:net'
import { connectSocket } from '../net-network.ts'
import type { AcceptOptions, ConnectOptions, Network, Port } from '../network.ts'
import { ProxiedConnection } from '../proxied-connection.ts'
import { openTlsPort } from '../tls-port.ts'
import type { TlsAcceptOptions } from '../tls-settings.ts'
import type { Binding, TcpHandle } from './binding.ts'
import { systemError } from './handle-transport.ts'
import { RawTransport } from './raw-transport.ts'
import type { TlsBinding } from './tls-binding.ts'
import { alpnList, type HandshakePort, TlsHandshake } from './tls-handshake.ts'
import { WriteBatch } from './write-batch.ts'

const READ_SIZE = 65_536
const BACKLOG = 4096

/**
 * Connections on raw handles. Clients share one read buffer, so that ten thousand idle ones cost nothing; each upstream
 * connection has its own, so that what was read can be sent on from there: it is not read into again before it has left.
 */
export class RawNetwork implements Network {
  readonly name = 'raw'
  readonly #binding: Binding
  readonly #tls: TlsBinding | undefined
  readonly #shared = Buffer.allocUnsafeSlow(READ_SIZE)
  readonly #batch = new WriteBatch()

  /** Without `tls`, TLS runs on Node's TLS sockets. */
  constructor(binding: Binding, tls?: TlsBinding) {
    this.#binding = binding
    this.#tls = tls
  }

  accept(options: AcceptOptions): Promise<Port> {
    return this.#listen(options, options.onConnection)
  }

  acceptTls(options: TlsAcceptOptions): Promise<Port> {
    if (this.#tls === undefined) return openTlsPort(options, { copy: true })
    const { proxied, deadlines } = options
    const { alpn } = options.tls
    const port: HandshakePort = {
      binding: this.#binding,
      tls: this.#tls,
      batch: this.#batch,
      buffer: this.#shared,
      options,
      alpn: alpn === undefined ? undefined : alpnList(alpn),
    }
    return this.#listen(options, (transport) => {
      if (proxied === undefined) new TlsHandshake(transport, port)
      else
        new ProxiedConnection(transport, { ...proxied, deadlines }, () => new TlsHandshake(transport, port))
    })
  }

  async #listen(options: AcceptOptions, onConnection: (transport: RawTransport) => void): Promise<Port> {
    const { port, reusePort, inherited } = options
    const binding = this.#binding
    const handle = (inherited?._handle ?? new binding.TCP(binding.SERVER)) as TcpHandle
    const check = (call: string, status: number) => {
      if (status === 0) return
      handle.close()
      throw systemError(call, status)
    }
    if (inherited === undefined) {
      const host = net.isIP(options.host) === 0 ? (await lookup(options.host)).address : options.host
      const flags = reusePort ? binding.REUSEPORT : 0
      check('bind', host.includes(':') ? handle.bind6(host, port, flags) : handle.bind(host, port, flags))
    }
    const bound: { address?: string; port?: number } = {}
    handle.onconnection = (status, client) => {
      // Out of descriptors, or gone before it was taken: the listener itself goes on.
      if (status !== 0 || client === undefined) return
      const connected = { tcp: client, localPort: bound.port ?? port, batch: this.#batch }
      onConnection(new RawTransport(binding, connected, this.#shared))
    }
    check('listen', handle.listen(BACKLOG))
    check('getsockname', handle.getsockname(bound))
    let released = false
    return {
      address: { host: bound.address ?? options.host, port: bound.port ?? port },
      release() {
        released = true
        return { _handle: handle }
      },
      close: () => (released ? Promise.resolve() : new Promise((done) => handle.close(done))),
    }
  }

  connect(options: ConnectOptions): () => void {
    const { host, port } = options
    if (options.tls !== undefined || net.isIP(host) === 0) return connectSocket(options, { copy: true })
    const binding = this.#binding
    const handle: TcpHandle = new binding.TCP(binding.SOCKET)
    const request = new binding.TCPConnectWrap()
    let settled = false
    const fail = (status: number) => {
      if (settled) return
      settled = true
      handle.close()
      options.onError(systemError('connect', status))
    }
    request.oncomplete = (status) => {
      if (status !== 0) {
        fail(status)
        return
      }
      if (settled) return
      settled = true
      const connected = { tcp: handle, batch: this.#batch }
      options.onConnect(new RawTransport(binding, connected, Buffer.allocUnsafeSlow(READ_SIZE)))
    }
    const status = host.includes(':')
      ? handle.connect6(request, host, port)
      : handle.connect(request, host, port)
    if (status !== 0) process.nextTick(fail, status)
    return () => {
      if (settled) return
      settled = true
      handle.close()
    }
  }
}
