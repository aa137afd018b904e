import http from 'node:http'
import https from 'node:https'
import type { EtcdConfig } from '../../config/gateway-config.ts'
import type { JsonObject } from '../../objects/index.ts'

/** etcd refused a request, or could not be reached at any of its addresses. */
export class EtcdError extends Error {
  readonly code = 'GW_ETCD'
  readonly status: number

  constructor(message: string, status: number, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

export const encode = (text: string): string => Buffer.from(text).toString('base64')
export const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8')

/** The end of the range of all keys that begin with `prefix` (etcd API, "key ranges"). */
export function rangeEnd(prefix: string): string {
  const bytes = Buffer.from(prefix)
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1
  return bytes.toString('base64')
}

/** etcd's v3 API through its JSON gateway, as APISIX uses it: the next address when one does not answer. */
export class EtcdClient {
  readonly #config: EtcdConfig
  readonly #agent: http.Agent | https.Agent
  #current = 0
  #token: string | undefined

  constructor(config: EtcdConfig) {
    this.#config = config
    const secure = config.hosts.some((host) => host.startsWith('https:'))
    const { cert, key, verify, sni } = config.tls
    const tls = { cert, key, rejectUnauthorized: verify, ...(sni === undefined ? {} : { servername: sni }) }
    this.#agent = secure ? new https.Agent({ keepAlive: true, ...tls }) : new http.Agent({ keepAlive: true })
  }

  get address(): string {
    return this.#config.hosts[this.#current % this.#config.hosts.length] ?? ''
  }

  /** One call; rejects with EtcdError. A call that reached a server that refused it is not repeated. */
  async call(path: string, body: JsonObject): Promise<JsonObject> {
    let last: unknown
    for (let attempt = 0; attempt < this.#config.hosts.length; attempt++) {
      try {
        return await this.#authorized(path, body)
      } catch (error) {
        if (error instanceof EtcdError && error.status > 0 && error.status !== 503) throw error
        last = error
        this.#current++
      }
    }
    throw last
  }

  async #authorized(path: string, body: JsonObject): Promise<JsonObject> {
    if (this.#config.user === undefined) return this.#post(path, body)
    this.#token ??= await this.#login()
    try {
      return await this.#post(path, body)
    } catch (error) {
      // The token has ended, or etcd was restarted.
      if (!(error instanceof EtcdError) || error.status !== 401) throw error
      this.#token = await this.#login()
      return this.#post(path, body)
    }
  }

  async #login(): Promise<string> {
    this.#token = undefined
    const { user, password } = this.#config
    const answer = await this.#post('/v3/auth/authenticate', { name: user, password })
    return String(answer.token)
  }

  #request(path: string, done: (response: http.IncomingMessage) => void): http.ClientRequest {
    const headers = {
      'Content-Type': 'application/json',
      ...(this.#token === undefined ? {} : { Authorization: this.#token }),
    }
    const url = this.address.replace(/\/$/, '') + path
    const { request } = url.startsWith('https:') ? https : http
    return request(url, { method: 'POST', headers, agent: this.#agent }, done)
  }

  #post(path: string, body: JsonObject): Promise<JsonObject> {
    const { timeoutMs } = this.#config
    return new Promise((resolve, reject) => {
      const where = `etcd at ${this.address}`
      const sent = this.#request(path, (response) => {
        const pieces: Buffer[] = []
        response.on('data', (chunk: Buffer) => pieces.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(pieces).toString('utf8')
          const status = response.statusCode ?? 0
          if (status !== 200) reject(new EtcdError(`${where} answered ${status}: ${text.trim()}`, status))
          else resolve(JSON.parse(text) as JsonObject)
        })
      })
      sent.setTimeout(timeoutMs, () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)))
      sent.on('error', (cause) => reject(new EtcdError(`${where}: ${cause.message}`, 0, { cause })))
      sent.end(JSON.stringify(body))
    })
  }

  /** Opens a watch: each message of the stream to `onMessage`, its end (however) to `onEnd`, once. Returns what ends it. */
  watch(
    body: JsonObject,
    handlers: { onMessage(message: JsonObject): void; onEnd(error: Error | undefined): void },
  ): () => void {
    let over = false
    const end = (error?: Error) => {
      if (over) return
      over = true
      handlers.onEnd(error)
    }
    const sent = this.#request('/v3/watch', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        for (let line = text.indexOf('\n'); line !== -1 && !over; line = text.indexOf('\n')) {
          const message = text.slice(0, line)
          text = text.slice(line + 1)
          if (message.trim() === '') continue
          try {
            handlers.onMessage(JSON.parse(message) as JsonObject)
          } catch (error) {
            sent.destroy()
            end(error instanceof Error ? error : new Error(String(error)))
          }
        }
      })
      response.on('error', end)
      response.on('close', () => end())
    })
    sent.on('error', end)
    // etcd sends a progress message every ten minutes; TCP finds out about a peer that is gone earlier.
    sent.on('socket', (socket) => socket.setKeepAlive(true, 10_000))
    sent.write(JSON.stringify({ create_request: body }))
    sent.end()
    return () => {
      over = true
      sent.destroy()
    }
  }

  close(): void {
    this.#agent.destroy()
  }
}
