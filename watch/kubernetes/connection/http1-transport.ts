import { Agent, request as requestPlain } from 'node:http'
import type { Duplex } from 'node:stream'
import { ApiConnectionError } from '../errors.ts'
import { type DialOptions, dial } from './dial.ts'
import type { Transport, TransportRequest, TransportResponse } from './transport.ts'

/** An agent whose connections are made by us: TLS and proxies included. */
class DialingAgent extends Agent {
  readonly #dial: () => Promise<Duplex>

  constructor(dialConnection: () => Promise<Duplex>) {
    super({ keepAlive: true, maxFreeSockets: 4 })
    this.#dial = dialConnection
  }

  override createConnection(
    _options: unknown,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    this.#dial().then(
      (socket) => callback?.(null, socket),
      // The stream is not looked at when there is an error.
      (error) => callback?.(error, undefined as unknown as Duplex),
    )
    return undefined
  }
}

/**
 * HTTP/1.1, a connection for each watch: for servers and proxies without HTTP/2. There is no PING;
 * a connection which is silent for longer than bookmarks take is given up.
 */
export class Http1Transport implements Transport {
  readonly protocol = 'http/1.1'
  readonly #agent: DialingAgent
  readonly #server: URL
  readonly #silenceMs: number
  #usable = true

  constructor(options: DialOptions, silenceMs: number) {
    this.#server = options.server
    this.#silenceMs = silenceMs
    this.#agent = new DialingAgent(() => dial({ ...options, protocols: ['http/1.1'] }))
  }

  get usable(): boolean {
    return this.#usable
  }

  request({ method, path, headers, body, signal }: TransportRequest): Promise<TransportResponse> {
    return new Promise((resolve, reject) => {
      const outgoing = requestPlain({
        agent: this.#agent,
        host: this.#server.hostname,
        method,
        path,
        headers: {
          host: this.#server.host,
          ...headers,
          ...(body === undefined ? {} : { 'content-length': String(body.length) }),
        },
        ...(signal === undefined ? {} : { signal }),
      })
      outgoing.setTimeout(this.#silenceMs, () =>
        outgoing.destroy(new Error(`silent for ${this.#silenceMs} ms`)),
      )
      outgoing.once('error', (cause) => {
        if (cause instanceof ApiConnectionError) this.#usable = false
        reject(new ApiConnectionError(`${method} ${path}: ${cause.message}`, { cause }))
      })
      outgoing.once('response', (answer) => {
        answer.on('error', () => {})
        resolve({
          status: answer.statusCode ?? 0,
          header: (name) => answer.headers[name.toLowerCase()]?.toString(),
          body: answer,
        })
      })
      outgoing.end(body)
    })
  }

  retire(): void {
    this.#usable = false
    // Sockets in use stay until their request is done; idle ones go.
    for (const sockets of Object.values(this.#agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy()
    }
  }

  destroy(): void {
    this.#usable = false
    this.#agent.destroy()
  }
}
