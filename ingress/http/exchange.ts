import { performance } from 'node:perf_hooks'
import type { BodyReader } from './body.ts'
import type { FieldTable } from './fields.ts'
import type { Framing } from './framing.ts'
import type { RequestHead } from './head.ts'
import { MessageHeaders } from './message-headers.ts'
import { errorPage } from './pages.ts'
import type { ClientFields } from './request-writer.ts'
import { type BodyFilter, ownResponse, type Response, type ResponseSink } from './response-writer.ts'
import type { Transport } from './transport.ts'

/** Takes a request body as it arrives. */
export interface BodySink {
  onBody(chunk: Buffer): void
  onBodyEnd(trailers: FieldTable | undefined): void
  /** Everything of the body that had arrived has been handed over. */
  onBodyBatch?(): void
}

/** Who is told what becomes of an exchange. */
export interface ExchangeObserver {
  /** May change status and fields of whatever is answered. */
  onResponse(response: Response): void
  /** Called once at the very end; `status`, `writer.bytes` and times are final. */
  onFinish(): void
}

/** What answers an exchange from elsewhere, and has to know about the client. */
export interface Forwarder {
  onClientDrain(): void
  /** The client went away before the response was complete. */
  onClientGone(): void
}

/** What an exchange needs of the connection it runs on. */
export interface ExchangeConnection {
  readonly transport: Transport
  readonly serverToken: string
  /** What it speaks if that is not HTTP/1. */
  readonly version?: '2.0' | undefined
  readonly draining: boolean
  /** Kept by the request writer. */
  clientFields: ClientFields | undefined
  /** It is handing over what has arrived just now. */
  readonly running: boolean
  /** Lets the body flow into the exchange's sink, or stops it. */
  setFlow(flow: { readonly on: boolean }): void
  /** The response is complete. */
  onExchangeEnd(exchange: Exchange): void
  /** From here on bytes belong to the tunnel. */
  startTunnel(exchange: Exchange, peer: Transport, idleTimeout: number): void
  /** The writer is blocked or drained: arm or disarm the send timeout. */
  onWriterState(state: { readonly blocked: boolean }): void
}

export class BodyTooLarge extends Error {
  readonly code = 'GW_BODY_TOO_LARGE'
}

/** One request on a client connection and its response. */
export class Exchange {
  readonly connection: ExchangeConnection
  readonly request: RequestHead
  readonly framing: Framing
  readonly body: BodyReader
  readonly headers: MessageHeaders
  readonly startedAt = performance.now()
  readonly writer: ResponseSink
  keepAlive: boolean
  /** Status sent (499 if the client went away first), 0 before. */
  status = 0
  bytesReceived = 0
  /** Bytes of request body taken at most; 0 for any number. */
  bodyLimit = 0
  ended = false
  aborted = false
  /** A body read into memory by `collectBody`, to be sent upstream from there. */
  collected: Buffer | undefined
  observer: ExchangeObserver | undefined
  forwarder: Forwarder | undefined
  bodyFilter: BodyFilter | undefined
  #sink: BodySink | undefined
  #continued = false
  /** Everything is written, but the client has not taken it yet. */
  #draining = false

  constructor(
    connection: ExchangeConnection,
    request: RequestHead,
    framing: Framing,
    body: BodyReader,
    writer: ResponseSink,
  ) {
    this.connection = connection
    this.request = request
    this.framing = framing
    this.body = body
    this.headers = new MessageHeaders(request)
    this.keepAlive = framing.keepAlive
    this.writer = writer
  }

  /** The body goes on in chunks, as nobody knows its length beforehand. */
  get chunksBody(): boolean {
    return this.collected === undefined && (this.body.kind === 'chunked' || this.body.kind === 'close')
  }

  get responded(): boolean {
    return this.status !== 0
  }

  /** Starts the request body flowing into `sink`; asks the client for it if it waits for 100 Continue. */
  readBody(sink: BodySink): void {
    this.#sink = sink
    if (this.collected !== undefined) {
      if (this.collected.length > 0) sink.onBody(this.collected)
      sink.onBodyEnd(undefined)
      return
    }
    if (this.body.done) {
      sink.onBodyEnd(this.body.trailers)
      return
    }
    if (this.framing.expectContinue && !this.#continued && this.bytesReceived === 0) {
      this.#continued = true
      this.writer.raw('HTTP/1.1 100 Continue\r\n\r\n')
    }
    this.connection.setFlow({ on: true })
  }

  pauseBody(): void {
    if (!this.body.done) this.connection.setFlow({ on: false })
  }
  resumeBody(): void {
    if (!this.body.done) this.connection.setFlow({ on: true })
  }
  /** Lets the rest of the body go nowhere. */
  discardBody(): void {
    this.#sink = undefined
    if (!this.body.done) this.connection.setFlow({ on: true })
  }

  /** Reads the whole body into memory; rejects with BodyTooLarge beyond `limit` bytes. */
  collectBody(limit: number): Promise<Buffer> {
    const { collected } = this
    // Who collected it may have allowed more.
    const known = collected?.length ?? (this.body.kind === 'length' ? this.body.remaining : 0)
    if (known > limit)
      return Promise.reject(new BodyTooLarge(`the request body is larger than ${limit} bytes`))
    if (collected !== undefined) return Promise.resolve(collected)
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = []
      let size = 0
      this.readBody({
        onBody: (chunk) => {
          size += chunk.length
          if (size > limit) {
            this.pauseBody()
            reject(new BodyTooLarge(`the request body is larger than ${limit} bytes`))
          } else pieces.push(Buffer.from(chunk))
        },
        onBodyEnd: () => {
          this.collected = Buffer.concat(pieces)
          resolve(this.collected)
        },
      })
    })
  }

  /** Called by the connection. */
  deliver(chunk: Buffer): void {
    this.bytesReceived += chunk.length
    this.#sink?.onBody(chunk)
  }
  /** Called by the connection. */
  deliverBatch(): void {
    this.#sink?.onBodyBatch?.()
  }
  /** Called by the connection. */
  deliverEnd(): void {
    this.#sink?.onBodyEnd(this.body.trailers)
  }

  /** Sends the head of a response, after the header filters. */
  begin(response: Response): void {
    if (this.ended || this.responded) return
    // The filters may ask for it.
    this.status = response.status
    this.observer?.onResponse(response)
    if (this.bodyFilter !== undefined) {
      response.length = -1
      response.empty = false
    }
    this.status = response.status
    // A body the client has not begun to send (Expect) or that is long is not worth reading: the connection ends instead.
    if (!this.body.done && !this.#worthDiscarding() && !response.upstream) this.keepAlive = false
    if (this.connection.draining) this.keepAlive = false
    this.writer.head(response, {
      method: this.request.method,
      keepAlive: this.keepAlive,
      server: this.connection.serverToken,
    })
    if (this.writer.untilClose) this.keepAlive = false
  }

  #worthDiscarding(): boolean {
    const waiting = this.framing.expectContinue && !this.#continued && this.bytesReceived === 0
    return !waiting && this.body.kind === 'length' && this.body.remaining <= 65_536
  }

  /** True if, the response being complete, the rest of the request body may be read and thrown away. */
  get bodyDiscardable(): boolean {
    return this.body.done || this.#worthDiscarding()
  }

  /** Sends bytes start..end as content; see `writer.blocked` after `flush`. */
  write(buffer: Buffer, start: number, end: number): void {
    if (this.ended) return
    if (this.bodyFilter === undefined) {
      this.writer.content(buffer, start, end)
      return
    }
    // A filter may keep what it gets, so it gets a copy.
    const filtered = this.bodyFilter(Buffer.from(buffer.subarray(start, end)), { last: false })
    if (filtered !== undefined) this.writer.content(filtered, 0, filtered.length)
  }

  /** Hands what was gathered to the transport; false asks to wait for `onDrain`. */
  flush(): boolean {
    this.writer.flush()
    if (this.writer.blocked) this.connection.onWriterState({ blocked: true })
    return !this.writer.blocked
  }

  /** The content is complete. The exchange ends once the client has taken it, so nobody runs ahead of a slow reader. */
  end(trailers?: FieldTable | undefined): void {
    if (this.ended || this.#draining) return
    if (this.bodyFilter !== undefined) {
      const rest = this.bodyFilter(undefined, { last: true, trailers })
      // It could not make a body of what came and cut the response.
      if (this.ended) return
      if (rest !== undefined) this.writer.content(rest, 0, rest.length)
    }
    this.writer.end(trailers)
    if (this.writer.blocked) {
      this.#draining = true
      this.connection.onWriterState({ blocked: true })
    } else this.#finish()
  }

  /** Called by the connection: the client takes bytes again. */
  drained(): void {
    this.forwarder?.onClientDrain()
    if (this.#draining) this.#finish()
  }

  /** Answers with a body of the gateway's own; ignored if a response has begun. */
  reply(
    status: number,
    options: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string | Buffer } = {},
  ): void {
    if (this.ended || this.responded) return
    const body =
      typeof options.body === 'string' ? Buffer.from(options.body) : (options.body ?? Buffer.alloc(0))
    const response = ownResponse(status, body.length)
    for (const [name, value] of Object.entries(options.headers ?? {})) response.headers.set(name, value)
    this.begin(response)
    this.write(body, 0, body.length)
    this.end()
  }

  /** Answers with the stock page of a status. */
  fail(status: number): void {
    this.reply(status, { headers: { 'Content-Type': 'text/html; charset=utf-8' }, body: errorPage(status) })
  }

  /** Ends the exchange without a complete response: the connection is cut so that the client notices. */
  cut(): void {
    if (this.ended) return
    this.keepAlive = false
    this.aborted = true
    this.writer.flush()
    this.#finish()
  }

  /** Called by the connection when the client is gone. */
  abort(): void {
    if (this.ended) return
    this.aborted = true
    if (!this.responded) this.status = 499
    this.forwarder?.onClientGone()
    this.#finish()
  }

  #finish(): void {
    this.ended = true
    this.observer?.onFinish()
    this.connection.onExchangeEnd(this)
  }
}
