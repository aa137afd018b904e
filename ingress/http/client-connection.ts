import { BodyReader } from './body.ts'
import type { Deadlines, Timed } from './deadlines.ts'
import { Exchange, type ExchangeConnection } from './exchange.ts'
import { PREFACE } from './h2/preface.ts'
import type { HeadFault } from './head.ts'
import { HeadReader } from './head-reader.ts'
import { InputBuffer } from './input-buffer.ts'
import { LingeringClose } from './lingering-close.ts'
import { writeRefusal } from './refusal.ts'
import type { ClientFields } from './request-writer.ts'
import { ResponseWriter } from './response-writer.ts'
import type { ConnectionContext } from './server-handler.ts'
import type { Receiver, Transport } from './transport.ts'
import { Tunnel } from './tunnel.ts'

const NEVER = Number.POSITIVE_INFINITY
const HOLD_BYTES = 65_536

/** The client side: cuts the byte stream into requests, one exchange at a time (pipelined ones wait in the buffer). */
export class ClientConnection implements Receiver, Timed, ExchangeConnection {
  readonly transport: Transport
  deadline: number
  clientFields: ClientFields | undefined
  readonly #context: ConnectionContext
  readonly #body = new BodyReader()
  #exchange: Exchange | undefined
  /** Somebody else hears the transport, or nobody. */
  #closed = false
  readonly #reader = new HeadReader()
  readonly #input = new InputBuffer()
  #requests = 0
  #flowing = false
  #running = false
  #paused = false
  #inputEnded = false
  #drained = false

  constructor(transport: Transport, context: ConnectionContext) {
    this.transport = transport
    this.#context = context
    this.deadline = NEVER
    transport.receiver = this
    context.deadlines.add(this)
    this.#arm(context.settings.headerTimeout)
  }

  #arm(ms: number): void {
    this.deadline = this.#context.deadlines.now + ms
  }

  get running(): boolean {
    return this.#running
  }
  get serverToken(): string {
    return this.#context.settings.serverToken
  }
  get draining(): boolean {
    return this.#context.draining
  }
  get idle(): boolean {
    return !this.#closed && this.#exchange === undefined && this.#input.bytes === undefined
  }

  onData(buffer: Buffer, length: number): void {
    if (this.#closed) return
    if (this.#exchange === undefined && this.#input.bytes === undefined)
      this.#arm(this.#context.settings.headerTimeout)
    this.#input.add(buffer, length)
    this.#run()
  }

  #run(): void {
    if (this.#running) return
    this.#running = true
    const input = this.#input
    while (!this.#closed && input.bytes !== undefined) {
      const advanced =
        this.#exchange === undefined
          ? this.#readHead(input.bytes)
          : this.#readBody(this.#exchange, input.bytes)
      input.trim()
      if (!advanced) break
    }
    this.#running = false
    input.own()
    this.#exchange?.deliverBatch()
    this.#regulate()
    if (this.#inputEnded && !this.#closed) this.#afterEnd()
  }

  /** Stops reading while what is held is large and nobody takes it. */
  #regulate(): void {
    if (this.#closed) return
    const pause = this.#exchange !== undefined && !this.#flowing && this.#input.held >= HOLD_BYTES
    if (pause === this.#paused) return
    this.#paused = pause
    if (pause) this.transport.pause()
    else this.transport.resume()
  }

  /** True if the connection begins with HTTP/2's preface (RFC 9113 §3.4), or may yet. */
  #startsHttp2(buffer: Buffer): boolean {
    const { pos, end } = this.#input
    if (this.#requests > 0 || buffer[pos] !== PREFACE[0] || this.#context.toHttp2 === undefined) return false
    const length = Math.min(PREFACE.length, end - pos)
    if (buffer.compare(PREFACE, 0, length, pos, pos + length) !== 0) return false
    if (length < PREFACE.length) return true
    const received = this.#input.rest() ?? PREFACE
    this.#leave()
    this.#context.toHttp2(this, received)
    return true
  }

  #readHead(buffer: Buffer): boolean {
    const { settings } = this.#context
    const input = this.#input
    if (this.#startsHttp2(buffer)) return false
    const read = this.#reader.read(input, buffer, settings.maxHeaderSize)
    if (read === true) this.#begin(this.#reader)
    else if (read !== false) this.#refuse(read)
    return read === true
  }

  #begin({ head, framing }: HeadReader): void {
    const { settings } = this.#context
    this.#body.start(framing.body, framing.length)
    const writer = new ResponseWriter(this.transport, head.minor)
    const exchange = new Exchange(this, head, framing, this.#body, writer)
    if (++this.#requests >= settings.keepaliveRequests) exchange.keepAlive = false
    exchange.bodyLimit = settings.maxBodySize
    this.#exchange = exchange
    this.#flowing = false
    this.deadline = NEVER
    if (settings.maxBodySize > 0 && framing.length > settings.maxBodySize) exchange.fail(413)
    else this.#context.handler.onRequest(exchange)
  }

  #readBody(exchange: Exchange, buffer: Buffer): boolean {
    const body = this.#body
    if (!this.#flowing || body.done) return false
    this.#input.pos = body.next(buffer, this.#input.pos, this.#input.end)
    if (body.failed) {
      this.#onBadBody(exchange)
      return false
    }
    if (body.dataEnd > body.dataStart) exchange.deliver(buffer.subarray(body.dataStart, body.dataEnd))
    if (body.done) {
      this.#flowing = false
      // What is left to wait for is the response, whose timeouts are others.
      if (!exchange.writer.blocked) this.deadline = NEVER
      exchange.deliverEnd()
      if (exchange.ended) this.#next(exchange)
    } else if (this.#flowing) {
      this.#arm(this.#context.settings.bodyTimeout)
      const { bodyLimit } = exchange
      if (bodyLimit > 0 && exchange.bytesReceived > bodyLimit && !exchange.responded)
        this.#onBadBody(exchange, 413)
    }
    return this.#input.held > 0
  }

  #onBadBody(exchange: Exchange, status = 400): void {
    exchange.keepAlive = false
    this.#flowing = false
    this.#context.handler.onRefused({ status, reason: 'malformed or oversized request body' }, this.transport)
    exchange.forwarder?.onClientGone()
    if (exchange.ended) this.#close()
    else if (exchange.responded) exchange.cut()
    else exchange.fail(status)
  }

  #refuse(fault: HeadFault): void {
    this.#context.handler.onRefused(fault, this.transport)
    writeRefusal(this.transport, fault, this.serverToken)
    this.#close()
  }

  setFlow(flow: { readonly on: boolean }): void {
    if (this.#flowing === flow.on) return
    this.#flowing = flow.on
    if (flow.on) {
      this.#arm(this.#context.settings.bodyTimeout)
      this.#run()
    } else {
      this.deadline = NEVER
      this.#regulate()
    }
  }

  onWriterState(state: { readonly blocked: boolean }): void {
    if (state.blocked) this.#arm(this.#context.settings.sendTimeout)
    else this.deadline = NEVER
  }

  onDrain(): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    exchange.writer.blocked = false
    this.onWriterState({ blocked: false })
    exchange.drained()
  }

  onExchangeEnd(exchange: Exchange): void {
    if (this.#exchange !== exchange || this.#closed) return
    if (!exchange.keepAlive) {
      this.#exchange = undefined
      if (exchange.aborted) this.#cut()
      else this.#close({ silent: this.#saidClose(exchange) })
      return
    }
    if (exchange.body.done) this.#next(exchange)
    else if (exchange.bodyDiscardable) exchange.discardBody()
    else this.#close()
  }

  #next(exchange: Exchange): void {
    if (this.#exchange !== exchange || !exchange.body.done) return
    this.#exchange = undefined
    if (!exchange.keepAlive || this.#context.draining) {
      this.#close()
      return
    }
    this.#reader.release()
    this.#arm(this.#context.settings.keepaliveTimeout)
    if (this.#input.bytes !== undefined) this.#run()
  }

  startTunnel(exchange: Exchange, peer: Transport, idleTimeout: number): void {
    exchange.ended = true
    if (this.#paused) this.transport.resume()
    const rest = this.#input.rest()
    const deadlines = this.#leave()
    const closed = () => this.#context.onConnectionClose(this)
    const ends = { client: this.transport, upstream: peer }
    const { fromClient } = new Tunnel({ ...ends, idleTimeout, exchange, deadlines, closed })
    if (rest !== undefined && rest.length > 0) fromClient.onData(rest, rest.length)
  }

  /** From here on somebody else hears the transport. */
  #leave(): Deadlines {
    this.#closed = true
    this.#input.clear()
    this.#context.deadlines.remove(this)
    return this.#context.deadlines
  }

  /** The client wants the connection to end, so this was its last request, and it has been read to its end. */
  #saidClose({ framing }: Exchange): boolean {
    return !framing.keepAlive && framing.body === 'none' && this.#input.held === 0
  }

  /** Sends what is queued and waits a moment for the client to close. */
  #close({ silent = false } = {}): void {
    if (this.#closed) return
    const deadlines = this.#leave()
    this.#reader.release()
    const { sendTimeout } = this.#context.settings
    const closed = () => this.#context.onConnectionClose(this)
    new LingeringClose(this.transport, deadlines, { sendTimeout, closed })
    this.transport.end({ silent })
    if (!this.#inputEnded) this.transport.resume()
  }

  #cut(): void {
    this.#closed = true
    this.#input.clear()
    this.transport.destroy()
  }

  /**
   * Drain: a connection kept alive closes now, a busy one after its response. One whose first request may be on its way is
   * left for it until the second call.
   */
  drain(): void {
    if (this.idle && (this.#requests > 0 || this.#drained)) this.#close()
    this.#drained = true
  }
  destroy(): void {
    this.transport.destroy()
  }

  onEnd(): void {
    this.#inputEnded = true
    if (!this.#closed) this.#afterEnd()
  }

  /** The client will send nothing more: an answer under way is finished (RFC 9112 §9.6), a body cut short is not. */
  #afterEnd(): void {
    const exchange = this.#exchange
    if (exchange === undefined) {
      this.#close()
      return
    }
    exchange.keepAlive = false
    if (!exchange.body.done && this.#input.held === 0) {
      exchange.abort()
      this.#cut()
    }
  }

  onClose(): void {
    this.#closed = true
    this.#input.clear()
    this.#context.deadlines.remove(this)
    this.#exchange?.abort()
    this.#exchange = undefined
    this.#context.onConnectionClose(this)
  }

  onDeadline(): void {
    if (this.#exchange === undefined && this.#input.bytes !== undefined && !this.#closed) {
      this.#refuse({ status: 408, reason: 'request head took too long' })
    } else this.transport.destroy()
  }
}
