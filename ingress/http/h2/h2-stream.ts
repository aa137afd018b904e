import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { BodyReader } from '../body.ts'
import type { Timed } from '../deadlines.ts'
import { Exchange, type ExchangeConnection } from '../exchange.ts'
import { emptyFraming, frameRequest } from '../framing.ts'
import { type HeadFault, INCOMPLETE, RequestHead } from '../head.ts'
import type { ClientFields } from '../request-writer.ts'
import type { ConnectionContext } from '../server-handler.ts'
import type { Transport } from '../transport.ts'
import { fieldLines } from './h2-fields.ts'
import { H2Writer } from './h2-writer.ts'

const DISCARD_LIMIT = 1024 * 1024
const NEVER = Number.POSITIVE_INFINITY
/**
 * The head in HTTP/1.1 form. It goes through the same strict parser as everybody's, so a value that would read
 * differently once it is HTTP/1.1 (smuggling by downgrade) is refused like there.
 */
function headText(headers: IncomingHttpHeaders): string {
  const host = headers[':authority'] ?? headers.host ?? ''
  return `${headers[':method'] ?? ''} ${headers[':path'] ?? ''} HTTP/1.1\r\nhost: ${host}\r\n${fieldLines(headers)}\r\n`
}

/** One request on an HTTP/2 connection, as the engine sees it. */
export class H2Stream implements ExchangeConnection, Timed {
  readonly transport: Transport
  readonly running = false
  clientFields: ClientFields | undefined
  deadline = NEVER
  readonly #context: ConnectionContext
  readonly #stream: ServerHttp2Stream
  readonly #body = new BodyReader()
  #exchange: Exchange | undefined
  #discarded = 0

  constructor(stream: ServerHttp2Stream, transport: Transport, context: ConnectionContext) {
    this.#stream = stream
    this.transport = transport
    this.#context = context
    context.deadlines.add(this)
    stream.on('close', () => this.#closed())
    // Resets and protocol errors end in 'close'.
    stream.on('error', () => {})
  }

  get serverToken(): string {
    return this.#context.settings.serverToken
  }
  get draining(): boolean {
    return this.#context.draining
  }

  begin(headers: IncomingHttpHeaders, options: { readonly endStream: boolean }): void {
    const head = new RequestHead()
    const bytes = Buffer.from(headText(headers), 'latin1')
    const { settings } = this.#context
    const next = head.parse(bytes, 0, bytes.length)
    if (bytes.length > settings.maxHeaderSize) this.#refuse({ status: 431, reason: 'request head too large' })
    else if (next === INCOMPLETE || head.fault !== undefined || next !== bytes.length)
      this.#refuse(head.fault ?? { status: 400, reason: 'malformed request head' })
    else {
      const framing = emptyFraming()
      const fault = frameRequest(head, framing)
      if (fault === undefined) this.#start(head, framing, options)
      else this.#refuse(fault)
    }
  }

  #start(
    head: RequestHead,
    framing: ReturnType<typeof emptyFraming>,
    options: { readonly endStream: boolean },
  ): void {
    const { settings, handler } = this.#context
    // Without a length, the stream's end is the body's end.
    if (!options.endStream && framing.body === 'none') framing.body = 'close'
    this.#body.start(framing.body, framing.length)
    const exchange = new Exchange(this, head, framing, this.#body, new H2Writer(this.#stream))
    exchange.bodyLimit = settings.maxBodySize
    this.#exchange = exchange
    this.#stream.on('drain', () => {
      exchange.writer.blocked = false
      this.deadline = NEVER
      exchange.drained()
    })
    if (!options.endStream) this.#stream.on('end', () => this.#ended(exchange)).pause()
    if (settings.maxBodySize > 0 && framing.length > settings.maxBodySize) exchange.fail(413)
    else handler.onRequest(exchange)
  }

  #refuse(fault: HeadFault): void {
    this.#context.handler.onRefused(fault, this.transport)
    this.#stream.respond({ ':status': fault.status }, { endStream: true })
  }

  #received(exchange: Exchange, chunk: Buffer): void {
    const { settings } = this.#context
    this.deadline = this.#context.deadlines.now + settings.bodyTimeout
    this.#body.next(chunk, 0, chunk.length)
    exchange.deliver(chunk)
    exchange.deliverBatch()
    if (exchange.ended) {
      this.#discarded += chunk.length
      // RFC 9113 §8.1: asks the client to stop sending.
      if (this.#discarded > DISCARD_LIMIT) this.#stream.close(constants.NGHTTP2_NO_ERROR)
      return
    }
    if (exchange.bodyLimit === 0 || exchange.bytesReceived <= exchange.bodyLimit) return
    exchange.forwarder?.onClientGone()
    if (exchange.responded) exchange.cut()
    else exchange.fail(413)
  }

  #ended(exchange: Exchange): void {
    if (this.#body.kind === 'length' && !this.#body.done) {
      this.#stream.close(constants.NGHTTP2_PROTOCOL_ERROR)
      return
    }
    this.#body.done = true
    this.deadline = NEVER
    exchange.deliverEnd()
    exchange.deliverBatch()
  }

  setFlow(flow: { readonly on: boolean }): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    if (!flow.on) {
      this.#stream.pause()
      this.deadline = NEVER
      return
    }
    this.deadline = this.#context.deadlines.now + this.#context.settings.bodyTimeout
    if (this.#stream.listenerCount('data') === 0)
      this.#stream.on('data', (chunk: Buffer) => this.#received(exchange, chunk))
    this.#stream.resume()
  }

  onWriterState(state: { readonly blocked: boolean }): void {
    this.deadline = state.blocked ? this.#context.deadlines.now + this.#context.settings.sendTimeout : NEVER
  }

  onExchangeEnd(exchange: Exchange): void {
    this.deadline = NEVER
    if (exchange.aborted) this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    // The rest of a request that is answered already is read and thrown away, within reason.
    else if (!exchange.body.done) exchange.discardBody()
  }

  /** Upgrades do not exist here (framing never says so). */
  startTunnel(exchange: Exchange, peer: Transport): void {
    peer.destroy()
    exchange.cut()
  }

  #closed(): void {
    this.#context.deadlines.remove(this)
    this.#exchange?.abort()
    this.#exchange = undefined
  }

  onDeadline(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL)
  }
}
