import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'

/**
 * Says to other processes of this network namespace that the interface is in use, by a socket with an abstract name: it
 * is gone with its process, and it is seen across the containers that share the node's network.
 */
export class Presence {
  readonly #prefix: string
  readonly #server: Server

  private constructor(prefix: string, server: Server) {
    this.#prefix = prefix
    this.#server = server
  }

  static async announce(interfaceName: string): Promise<Presence> {
    const prefix = `plexus-dns/${interfaceName}/`
    const server = createServer((socket) => socket.destroy())
    server.listen(`\0${prefix}${process.pid}-${process.hrtime.bigint()}`)
    await once(server, 'listening')
    server.unref()
    return new Presence(prefix, server)
  }

  /** True if another process uses the interface, too: it is not to be removed then. */
  shared(): boolean {
    const names = readFileSync('/proc/self/net/unix', 'utf8').split('\n')
    return names.filter((line) => line.includes(` @${this.#prefix}`)).length > 1
  }

  withdraw(): void {
    this.#server.close()
  }
}
