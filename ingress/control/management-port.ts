import http from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { ListenAddress } from '../config/gateway-config.ts'
import { GatewayListenError } from '../errors.ts'

/** A port for operators (Admin API, control API, metrics). What is served there can be exchanged while it is open. */
export class ManagementPort {
  readonly #server: http.Server
  #app: FastifyInstance
  #address: ListenAddress

  private constructor(app: FastifyInstance, listen: ListenAddress) {
    this.#app = app
    this.#address = listen
    this.#server = http.createServer((request, response) => this.#app.routing(request, response))
  }

  /** `what` is for the message of the GatewayListenError. */
  static async open(what: string, listen: ListenAddress, app: FastifyInstance): Promise<ManagementPort> {
    await app.ready()
    const port = new ManagementPort(app, listen)
    const server = port.#server
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host: listen.host, port: listen.port }, resolve)
      })
    } catch (error) {
      throw new GatewayListenError(what, `${listen.host}:${listen.port}`, error)
    }
    const bound = server.address()
    if (bound !== null && typeof bound !== 'string') port.#address = { host: bound.address, port: bound.port }
    return port
  }

  get address(): ListenAddress {
    return this.#address
  }

  /** Serves something else from the next request on. */
  async serve(app: FastifyInstance): Promise<void> {
    await app.ready()
    const before = this.#app
    this.#app = app
    await before.close()
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
    await this.#app.close()
  }
}
