import { lookup } from 'node:dns/promises'
import net from 'node:net'
import { connectSocket } from '../net-network.ts'
import type { AcceptOptions, ConnectOptions, Network, Port } from '../network.ts'
import type { Binding, TcpHandle } from './binding.ts'
import { RawTransport, systemError } from './raw-transport.ts'

const READ_SIZE = 65_536
const BACKLOG = 4096

/**
 * Connections on raw handles. Clients share one read buffer, so that ten thousand idle ones cost nothing; each upstream
 * connection has its own, so that what was read can be sent on from there: it is not read into again before it has left.
 */
export class RawNetwork implements Network {
  readonly name = 'raw'
  readonly #binding: Binding
  readonly #shared = Buffer.allocUnsafeSlow(READ_SIZE)

  constructor(binding: Binding) {
    this.#binding = binding
  }

  async accept(options: AcceptOptions): Promise<Port> {
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
      options.onConnection(new RawTransport(binding, client, this.#shared, bound.port))
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
      options.onConnect(new RawTransport(binding, handle, Buffer.allocUnsafeSlow(READ_SIZE)))
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
