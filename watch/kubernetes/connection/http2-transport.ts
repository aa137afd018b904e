import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { ApiConnectionError } from '../errors.ts'
import type { Transport, TransportRequest, TransportResponse } from './transport.ts'

/** When silence on a connection is looked into, and when it is given up; milliseconds. */
export interface PingTiming {
  readonly silenceMs: number
  readonly answerMs: number
}

/**
 * All requests and watches on one HTTP/2 connection. A peer that is gone without closing (a node
 * that lost power, a cut network) is found by PING: without it, TCP takes a quarter of an hour.
 */
export class Http2Transport implements Transport {
  readonly protocol = 'h2'
  readonly #session: ClientHttp2Session
  readonly #timing: PingTiming
  readonly #timer: NodeJS.Timeout
  #streams = 0
  #lastHeard = performance.now()
  #pinging = false
  #usable = true
  #failure: Error | undefined

  constructor(server: URL, socket: TLSSocket, timing: PingTiming) {
    this.#timing = timing
    this.#session = connect(server, {
      createConnection: () => socket,
      // Lists are large and arrive over one stream: Node's 64 KiB would stall on every round trip.
      settings: { enablePush: false, initialWindowSize: 4 << 20 },
    })
    this.#session.once('connect', () => this.#session.setLocalWindowSize(16 << 20))
    this.#session.on('error', (error) => this.#fail(error))
    this.#session.on('goaway', () => this.retire())
    this.#session.on('close', () => this.#ended())
    this.#timer = setInterval(() => this.#watchdog(), Math.max(10, timing.silenceMs / 4))
    this.#timer.unref()
  }

  get usable(): boolean {
    return this.#usable && !this.#session.closed && !this.#session.destroyed
  }

  request(request: TransportRequest): Promise<TransportResponse> {
    if (!this.usable) throw new ApiConnectionError('the connection is closing')
    const { method, path, headers, body, signal } = request
    return new Promise((resolve, reject) => {
      const stream = this.#session.request(
        { ':method': method, ':path': path, ...headers },
        { endStream: body === undefined, ...(signal === undefined ? {} : { signal }) },
      )
      this.#streams++
      const broken = (cause?: unknown): void =>
        reject(new ApiConnectionError(`${method} ${path}: ${this.#reason(cause)}`, { cause }))
      stream.once('error', broken)
      stream.on('close', () => {
        broken(
          stream.rstCode === constants.NGHTTP2_NO_ERROR ? undefined : `reset with code ${stream.rstCode}`,
        )
        this.#streams--
        if (!this.#usable && this.#streams === 0) this.#session.close()
      })
      stream.once('response', (answer) => {
        this.#lastHeard = performance.now()
        const values = answer as Record<string, string | string[] | number | undefined>
        resolve({
          status: Number(values[':status'] ?? 0),
          header: (name) => values[name.toLowerCase()]?.toString(),
          body: this.#guarded(stream),
        })
      })
      if (body !== undefined) stream.end(body)
    })
  }

  /** New requests go elsewhere, running ones may finish: after GOAWAY, or with new certificates. */
  retire(): void {
    this.#usable = false
    if (this.#streams === 0 && !this.#session.closed) this.#session.close()
  }

  destroy(): void {
    this.#usable = false
    this.#ended()
    this.#session.destroy()
  }

  #guarded(stream: ClientHttp2Stream): ClientHttp2Stream {
    // Reading is the caller's; here only: something came, and why it broke off.
    stream.on('data', () => (this.#lastHeard = performance.now()))
    stream.pause()
    stream.on('error', () => {})
    return stream
  }

  #watchdog(): void {
    const silence = performance.now() - this.#lastHeard
    if (this.#pinging || silence < this.#timing.silenceMs || this.#session.destroyed) return
    if (this.#streams === 0) return
    this.#pinging = true
    const giveUp = setTimeout(() => {
      this.#fail(new Error(`no answer to PING in ${this.#timing.answerMs} ms`))
      this.#session.destroy(this.#failure, constants.NGHTTP2_CANCEL)
    }, this.#timing.answerMs)
    giveUp.unref()
    this.#session.ping((error) => {
      clearTimeout(giveUp)
      this.#pinging = false
      if (error === null) this.#lastHeard = performance.now()
    })
  }

  #fail(error: Error): void {
    this.#usable = false
    this.#failure ??= error
  }

  #ended(): void {
    this.#usable = false
    clearInterval(this.#timer)
  }

  #reason(cause: unknown): string {
    if (this.#failure !== undefined) return this.#failure.message
    if (cause instanceof Error) return cause.message
    return typeof cause === 'string' ? cause : 'the connection was closed'
  }
}
