import net from 'node:net'
import tls from 'node:tls'
import { NetTransport, type NetTransportOptions } from './net-transport.ts'
import type { AcceptOptions, ConnectOptions, InheritedPort, Network, Port } from './network.ts'

const BACKLOG = 4096

/** Listens with a Node server (net or tls) and wraps it as a Port. */
export function openPort(server: net.Server, options: Omit<AcceptOptions, 'onConnection'>): Promise<Port> {
  const { host, port, reusePort, inherited } = options
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    let released = false
    const onListening = () => {
      server.removeListener('error', reject)
      const address = server.address()
      resolve({
        address:
          address === null || typeof address === 'string'
            ? { host, port }
            : { host: address.address, port: address.port },
        release() {
          released = true
          return server as unknown as InheritedPort
        },
        // The server's own callback waits for every connection, also those whose handshake failed: the port is closed at once.
        close: async () => {
          if (!released) server.close()
        },
      })
    }
    if (inherited === undefined) server.listen({ host, port, backlog: BACKLOG, reusePort }, onListening)
    else server.listen(inherited, BACKLOG, onListening)
  })
}

/** Connects through `net` or `tls`; a name is looked up by Node. */
export function connectSocket(options: ConnectOptions, transport: NetTransportOptions): () => void {
  const { host, port } = options
  const servername = options.tls?.servername ?? ''
  const socket =
    options.tls === undefined
      ? net.connect({ host, port, noDelay: true, allowHalfOpen: true })
      : tls.connect({
          host,
          port,
          // SNI carries names only (RFC 6066 §3).
          ...(net.isIP(servername) === 0 && servername !== '' ? { servername } : {}),
          ...(options.tls.context === undefined ? {} : { secureContext: options.tls.context }),
          rejectUnauthorized: options.tls.verify,
          ALPNProtocols: [...(options.tls.alpn ?? ['http/1.1'])],
        })
  let settled = false
  const onError = (error: Error) => {
    if (settled) return
    settled = true
    options.onError(error)
  }
  socket.on('error', onError)
  socket.once(options.tls === undefined ? 'connect' : 'secureConnect', () => {
    if (settled) return
    settled = true
    socket.removeListener('error', onError)
    options.onConnect(new NetTransport(socket, transport))
  })
  return () => {
    if (settled) return
    settled = true
    socket.destroy()
  }
}

/** Node's public sockets: always there. */
export const NET_NETWORK: Network = {
  name: 'net',
  accept(options) {
    const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
      options.onConnection(new NetTransport(socket, { copy: false })),
    )
    return openPort(server, options)
  },
  connect: (options) => connectSocket(options, { copy: false }),
}
