import type net from 'node:net'
import type { AcceptOptions, InheritedPort, Port } from './network.ts'

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
