import dgram from 'node:dgram'
import net from 'node:net'

/** Rejects if somebody listens there, which a port that is shared would not tell. */
export async function claimTcp(host: string, port: number): Promise<void> {
  if (port === 0) return
  const server = net.createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, resolve)
  })
  await new Promise((resolve) => server.close(resolve))
}

/** As claimTcp. */
export async function claimUdp(host: string, port: number): Promise<void> {
  if (port === 0) return
  const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, host, resolve)
  })
  await new Promise<void>((resolve) => socket.close(resolve))
}
