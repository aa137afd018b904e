import net from 'node:net'
import tls from 'node:tls'
import { openPort } from './net-port.ts'
import { NetTransport, type NetTransportOptions } from './net-transport.ts'
import type { ConnectOptions, Network } from './network.ts'
import { openTlsPort } from './tls-port.ts'

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
  acceptTls: (options) => openTlsPort(options, { copy: false }),
  connect: (options) => connectSocket(options, { copy: false }),
}
