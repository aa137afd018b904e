import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { DnsError } from '../errors.ts'

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void

/** What an instance wants served: address -> path -> handler. Blocks that name one address share its listener. */
export class HttpWishes {
  readonly addresses = new Map<string, Map<string, HttpHandler>>()

  /** The first wish for a path of an address counts. */
  serve(address: string, path: string, handler: HttpHandler): void {
    let paths = this.addresses.get(address)
    if (paths === undefined) {
      paths = new Map()
      this.addresses.set(address, paths)
    }
    if (!paths.has(path)) paths.set(path, handler)
  }
}

/** The plain HTTP listeners of health, ready and prometheus. They outlive reloads: only handlers are exchanged. */
export class HttpEndpoints {
  readonly #open = new Map<string, { server: Server; paths: ReadonlyMap<string, HttpHandler> }>()
  readonly #reusePort: boolean

  /** With `reusePort` the next process can listen while this one still does (rolling restarts). */
  constructor(options: { readonly reusePort: boolean }) {
    this.#reusePort = options.reusePort
  }

  /** Opens what is new, exchanges handlers, closes what is no longer wanted. On an error nothing has changed. */
  async change(wishes: HttpWishes): Promise<void> {
    const fresh = new Map<string, Server>()
    try {
      for (const address of wishes.addresses.keys()) {
        if (!this.#open.has(address)) fresh.set(address, await this.#listen(address))
      }
    } catch (error) {
      for (const server of fresh.values()) server.close()
      throw error
    }
    for (const [address, paths] of wishes.addresses) {
      const server = fresh.get(address) ?? this.#open.get(address)?.server
      if (server !== undefined) this.#open.set(address, { server, paths })
    }
    for (const address of [...this.#open.keys()])
      if (!wishes.addresses.has(address)) await this.close(address)
  }

  /** Where an address of the Corefile really listens (of interest for port 0). */
  portOf(address: string): number | undefined {
    const bound = this.#open.get(address)?.server.address()
    return typeof bound === 'object' && bound !== null ? bound.port : undefined
  }

  /** Takes one path away at once: clients get 404, or a refused connection when it was the only one. */
  async withdraw(path: string): Promise<void> {
    for (const [address, { server, paths }] of [...this.#open]) {
      if (!paths.has(path)) continue
      const rest = new Map([...paths].filter(([other]) => other !== path))
      if (rest.size === 0) await this.close(address)
      else this.#open.set(address, { server, paths: rest })
    }
  }

  async close(address: string): Promise<void> {
    const entry = this.#open.get(address)
    if (entry === undefined) return
    this.#open.delete(address)
    const closed = new Promise<void>((resolve) => entry.server.close(() => resolve()))
    entry.server.closeAllConnections()
    await closed
  }

  async closeAll(): Promise<void> {
    for (const address of [...this.#open.keys()]) await this.close(address)
  }

  async #listen(address: string): Promise<Server> {
    const { host, port } = splitAddress(address)
    const server = createServer((request, response) => {
      const path = (request.url ?? '/').split('?', 1)[0] as string
      const handler = this.#open.get(address)?.paths.get(path)
      if (handler !== undefined) handler(request, response)
      else response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n')
    })
    try {
      server.listen({ port, reusePort: this.#reusePort, ...(host === '' ? {} : { host }) })
      await once(server, 'listening')
      server.on('error', () => undefined)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new DnsError('DNS_LISTEN', `cannot listen on http ${address}: ${reason}`, { cause })
    }
    return server
  }
}

/** ':8080', '127.0.0.1:8080', '[::1]:8080', 'localhost:9153'. */
export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(colon + 1)) }
}

/** True for text that `splitAddress` understands. */
export function isListenAddress(address: string): boolean {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]*):(\d{1,5})$/.exec(address)
  return match !== null && Number(match[2]) < 65536
}

/** Answers with a short text. */
export function respondText(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(text),
    })
    .end(text)
}
