import { BodyReader } from '../body.ts'
import type { Timed } from '../deadlines.ts'
import { Exchange, type ExchangeConnection } from '../exchange.ts'
import { Field, FieldTable } from '../fields.ts'
import { emptyFraming, frameRequest } from '../framing.ts'
import { type HeadFault, RequestHead } from '../head.ts'
import type { ClientFields } from '../request-writer.ts'
import type { ConnectionContext } from '../server-handler.ts'
import type { Transport } from '../transport.ts'
import { Code, H2Fault } from './fault.ts'
import type { H2ClientConnection } from './h2-client-connection.ts'
import { type ConnectionStream, NEVER } from './h2-connection.ts'
import { H2Writer } from './h2-writer.ts'
import { headBytes, keepHead } from './head-memory.ts'
import { parseTrailers, requestText } from './head-text.ts'
import type { Fields } from './hpack-decoder.ts'
import { encodeStatus } from './hpack-encoder.ts'
import { STREAM_WINDOW } from './limits.ts'
import { ReceiveWindow } from './receive-window.ts'
import { type SenderOwner, StreamSender } from './stream-sender.ts'

const DISCARD_LIMIT = 1024 * 1024

/** One request of a client on an HTTP/2 connection, as the engine sees it. */
export class H2ClientStream implements ExchangeConnection, Timed, SenderOwner, ConnectionStream {
  readonly id: number
  readonly transport: Transport
  readonly running = false
  readonly version = '2.0'
  clientFields: ClientFields | undefined
  deadline = NEVER
  readonly sender: StreamSender
  readonly #connection: H2ClientConnection
  readonly #context: ConnectionContext
  readonly #body = new BodyReader()
  #exchange: Exchange | undefined
  /** Watched by the clock, from the first time it has a deadline. */
  #timed = false
  /** The client has sent everything; we have. */
  #received = false
  #sent = false
  readonly #receiveWindow: ReceiveWindow
  /** Bytes of body that are to come still, if it has a length. */
  #announced = Number.POSITIVE_INFINITY
  #flowing = false
  /** What arrived while nobody wanted it. */
  #held: Buffer[] = []
  #discarded = 0

  constructor(id: number, connection: H2ClientConnection) {
    this.id = id
    this.#connection = connection
    this.transport = connection.transport
    this.#context = connection.context
    this.#receiveWindow = new ReceiveWindow(id, STREAM_WINDOW)
    this.sender = new StreamSender(id, connection, this)
  }

  get serverToken(): string {
    return this.#context.settings.serverToken
  }
  get draining(): boolean {
    return this.#context.draining
  }

  #arm(ms: number): void {
    this.deadline = this.#context.deadlines.now + ms
    if (this.#timed) return
    this.#timed = true
    this.#context.deadlines.add(this)
  }

  /** Takes the request's head; undefined if it was too large. */
  begin(fields: Fields | undefined, { end }: { readonly end: boolean }): void {
    this.#received = end
    if (fields === undefined) {
      this.#refuse({ status: 431, reason: 'request head too large' })
      return
    }
    const written = requestText(fields)
    if (written === undefined) throw new H2Fault(Code.protocol, 'malformed request', this.id)
    const head = this.#connection.heads.pop() ?? new RequestHead()
    const size = written.text.length
    const next = head.parse(headBytes(head, written.text), 0, size)
    const framing = emptyFraming()
    const fault =
      head.fault ??
      (next === size && head.count === written.count
        ? frameRequest(head, framing)
        : { status: 400, reason: 'malformed request head' })
    if (fault !== undefined) {
      this.#refuse(fault)
      return
    }
    if (end && framing.length > 0) throw new H2Fault(Code.protocol, 'a length without a body', this.id)
    this.#start(head, framing)
  }

  #start(head: RequestHead, framing: ReturnType<typeof emptyFraming>): void {
    const { settings, handler } = this.#context
    if (head.find(Field.contentLength) !== -1) this.#announced = framing.length
    // Without a length, the stream's end is the body's end; with none announced, nobody knows before that it is kept to.
    if (!this.#received && framing.body === 'none') framing.body = 'close'
    this.#body.start(framing.body, framing.length)
    const exchange = new Exchange(this, head, framing, this.#body, new H2Writer(this.sender))
    exchange.bodyLimit = settings.maxBodySize
    this.#exchange = exchange
    if (settings.maxBodySize > 0 && framing.length > settings.maxBodySize) exchange.fail(413)
    else handler.onRequest(exchange)
  }

  #refuse(fault: HeadFault): void {
    this.#context.handler.onRefused(fault, this.transport)
    this.sender.message(encodeStatus(fault.status), [], { end: true })
    if (!this.#received) this.#connection.reset(this.id, Code.none)
  }

  /** DATA of the client; `size` counts the padding. */
  data(content: Buffer, { end, size }: { readonly end: boolean; readonly size: number }): void {
    if (!this.#receiveWindow.arrived(size) || this.#received) {
      this.#connection.taken(size)
      throw this.#received
        ? new H2Fault(Code.streamClosed, 'DATA after the end', this.id)
        : new H2Fault(Code.flowControl, 'more DATA than the window allows', this.id)
    }
    this.#use(size - content.length)
    this.#announced -= content.length
    if (this.#announced < 0 || (end && this.#announced > 0 && this.#announced !== Number.POSITIVE_INFINITY)) {
      this.#connection.taken(content.length)
      throw new H2Fault(Code.protocol, 'a body of another length than announced', this.id)
    }
    this.#received = end
    if (this.#flowing && this.#held.length === 0) this.#deliver(content)
    else if (content.length > 0) this.#held.push(Buffer.from(content))
    if (!end) return
    if (this.#flowing) this.#finishBody()
    else this.#closeIfDone()
  }

  #deliver(content: Buffer): void {
    const exchange = this.#exchange
    this.#use(content.length)
    if (exchange === undefined || content.length === 0) return
    this.#arm(this.#context.settings.bodyTimeout)
    if (this.#body.kind === 'length') this.#body.next(content, 0, content.length)
    // Its end is told by the stream's, not by the last byte.
    this.#body.done = false
    exchange.deliver(content)
    exchange.deliverBatch()
    if (exchange.ended) {
      this.#discarded += content.length
      // RFC 9113 §8.1: asks the client to stop sending.
      if (this.#discarded > DISCARD_LIMIT) this.#connection.reset(this.id, Code.none)
    } else if (exchange.bodyLimit > 0 && exchange.bytesReceived > exchange.bodyLimit) {
      exchange.forwarder?.onClientGone()
      if (exchange.responded) exchange.cut()
      else exchange.fail(413)
    }
  }

  /** Bytes that no longer lie here: the client may send as many more. */
  #use(size: number): void {
    if (size === 0) return
    this.#connection.taken(size)
    const update = this.#receiveWindow.used(size)
    if (update !== undefined && !this.#received) this.#connection.queue.add(update)
  }

  /** Everything was delivered, and the client has sent everything. */
  #finishBody(): void {
    const exchange = this.#exchange
    if (exchange === undefined || this.#body.done) return
    this.#body.done = true
    this.#flowing = false
    if (!exchange.writer.blocked) this.deadline = NEVER
    exchange.deliverEnd()
    exchange.deliverBatch()
    this.#closeIfDone()
  }

  /** The trailers. */
  fields(fields: Fields | undefined, { end }: { readonly end: boolean }): void {
    if (this.#received) throw new H2Fault(Code.streamClosed, 'HEADERS after the end', this.id)
    const trailers = end ? parseTrailers(fields, new FieldTable()) : undefined
    if (trailers === undefined) throw new H2Fault(Code.protocol, 'malformed trailers', this.id)
    if (trailers.count > 0) this.#body.trailers = trailers
    this.data(Buffer.alloc(0), { end: true, size: 0 })
  }

  setFlow(flow: { readonly on: boolean }): void {
    if (this.#flowing === flow.on || this.#body.done) return
    this.#flowing = flow.on
    if (!flow.on) {
      this.deadline = NEVER
      return
    }
    this.#arm(this.#context.settings.bodyTimeout)
    while (this.#flowing && this.#held.length > 0) this.#deliver(this.#held.shift() as Buffer)
    if (this.#flowing && this.#received) this.#finishBody()
  }

  /** Everything was sent. */
  onSent(): void {
    this.#sent = true
    this.#closeIfDone()
  }

  /** Some of what waited was sent, the rest waits on; or all of it, and the response may go on. */
  onProgress(state: { readonly waits: boolean }): void {
    if (state.waits) {
      this.#arm(this.#context.settings.sendTimeout)
      return
    }
    const exchange = this.#exchange
    if (exchange === undefined || !exchange.writer.blocked) return
    exchange.writer.blocked = false
    this.deadline = NEVER
    exchange.drained()
  }

  #closeIfDone(): void {
    if (this.#sent && this.#received && (this.#body.done || this.#exchange === undefined)) this.#leave()
  }

  onWriterState(state: { readonly blocked: boolean }): void {
    if (state.blocked) this.#arm(this.#context.settings.sendTimeout)
    else this.deadline = NEVER
  }

  onExchangeEnd(exchange: Exchange): void {
    if (!this.sender.waits) this.deadline = NEVER
    if (exchange.aborted) {
      if (!this.#sent || !this.#received) this.#connection.reset(this.id, Code.internal)
    }
    // The rest of a request that is answered already is read and thrown away, within reason.
    else if (!exchange.body.done) exchange.discardBody()
    else this.#closeIfDone()
  }

  /** Upgrades do not exist here (framing never says so). */
  startTunnel(exchange: Exchange, peer: Transport): void {
    peer.destroy()
    exchange.cut()
  }

  #leave(): void {
    if (this.#timed) this.#context.deadlines.remove(this)
    const exchange = this.#exchange
    // As on HTTP/1.1's connections: nobody reads the head of an exchange that has come to its end.
    if (exchange?.ended === true && !exchange.aborted) {
      this.#exchange = undefined
      keepHead(this.#connection.heads, exchange.request)
    }
    this.#connection.forget(this)
  }

  /** The stream was reset, or its connection ended. */
  ended(): void {
    this.#sent = true
    this.#received = true
    this.sender.stop()
    // What nobody read counts as used for the connection.
    for (const piece of this.#held) this.#connection.taken(piece.length)
    this.#held = []
    this.#leave()
    const exchange = this.#exchange
    this.#exchange = undefined
    exchange?.abort()
  }

  onDeadline(): void {
    this.#connection.reset(this.id, Code.cancel)
  }
}
