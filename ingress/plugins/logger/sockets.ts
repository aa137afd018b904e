import dgram from 'node:dgram'
import net from 'node:net'
import tls from 'node:tls'

export interface Receiver {
  readonly host: string
  readonly port: number
  /** For connecting and sending, in ms. */
  readonly timeoutMs: number
  readonly tls: boolean
  readonly servername?: string | undefined
}

/** Opens a connection, sends and closes; resolves when all is handed to the kernel and the other side took the end. */
export function sendTcp(receiver: Receiver, data: string): Promise<void> {
  const { host, port, timeoutMs } = receiver
  return new Promise((resolve, reject) => {
    const socket = receiver.tls
      ? tls.connect({ host, port, servername: receiver.servername ?? host, rejectUnauthorized: false })
      : net.connect({ host, port })
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new Error(`${host}:${port} takes nothing for ${timeoutMs} ms`)),
    )
    socket.on('error', reject)
    socket.on(receiver.tls ? 'secureConnect' : 'connect', () => socket.end(data))
    socket.on('finish', () => socket.end())
    socket.on('close', (failed) => {
      if (!failed) resolve()
    })
    socket.resume()
    // A receiver that never closes has the data all the same.
    socket.on('finish', () => setTimeout(() => socket.destroy(), 1000).unref())
  })
}

/** One datagram. */
export function sendUdp(receiver: Pick<Receiver, 'host' | 'port'>, data: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(net.isIPv6(receiver.host) ? 'udp6' : 'udp4')
    socket.on('error', (error) => {
      socket.close()
      reject(error)
    })
    socket.send(data, receiver.port, receiver.host, (error) => {
      socket.close()
      if (error === null) resolve()
      else reject(error)
    })
  })
}
