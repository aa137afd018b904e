import type { RequestHead } from '../head.ts'
import type { ConnectionContext } from '../server-handler.ts'
import type { Transport } from '../transport.ts'
import { Code, H2Fault } from './fault.ts'
import { Frame, numbersFrame, Setting } from './frames.ts'
import { H2ClientStream } from './h2-client-stream.ts'
import { H2Connection, NEVER } from './h2-connection.ts'
import type { Fields } from './hpack-decoder.ts'
import { CONCURRENT_STREAMS, STREAM_WINDOW } from './limits.ts'
import { Preface } from './preface.ts'
import { RecentIds } from './recent-ids.ts'

/** An HTTP/2 connection of a client: it opens streams, we answer. */
export class H2ClientConnection extends H2Connection<H2ClientStream> {
  readonly context: ConnectionContext
  /** Tables of heads that are free to be used again, at most one per stream. */
  readonly heads: RequestHead[] = []
  readonly #onClose: (connection: H2ClientConnection) => void
  readonly #preface = new Preface()
  readonly #wereReset = new RecentIds()
  #goingAway = false

  constructor(
    transport: Transport,
    context: ConnectionContext,
    onClose: (connection: H2ClientConnection) => void,
  ) {
    const { maxHeaderSize, headerTimeout } = context.settings
    super(transport, context.deadlines, {
      headerLimit: maxHeaderSize,
      settings: [
        [Setting.maxStreams, CONCURRENT_STREAMS],
        [Setting.initialWindow, STREAM_WINDOW],
        [Setting.maxHeaderList, maxHeaderSize],
      ],
    })
    this.context = context
    this.#onClose = onClose
    this.arm(headerTimeout)
  }

  /** Kept alive between two requests. */
  get idle(): boolean {
    return this.peer.known && this.streams.size === 0 && !this.closing
  }

  protected override readPreface(buffer: Buffer, length: number): number {
    return this.#preface.skip(buffer, length)
  }

  /** What a client is given time for: the rest of a head, or the next request. */
  protected onRead(): void {
    if (this.closing || this.window.blocked) return
    const { settings } = this.context
    if (!this.peer.known || this.inHeaders) {
      if (this.deadline === NEVER) this.arm(settings.headerTimeout)
    } else if (this.streams.size === 0) this.arm(settings.keepaliveTimeout)
    else this.deadline = NEVER
  }

  protected checkHeaders(id: number): void {
    if (id % 2 === 0) throw new H2Fault(Code.protocol, 'HEADERS of a stream that a client does not open')
  }

  protected onFields(id: number, fields: Fields | undefined, state: { readonly end: boolean }): void {
    if (this.#wereReset.has(id)) return
    if (id <= this.lastStream) throw new H2Fault(Code.streamClosed, 'HEADERS of a closed stream')
    // The client does not know yet that it is to open no more.
    if (this.#goingAway) return
    this.lastStream = id
    if (this.streams.size >= CONCURRENT_STREAMS) throw new H2Fault(Code.refused, 'too many streams', id)
    const stream = new H2ClientStream(id, this)
    this.streams.set(id, stream)
    stream.begin(fields, state)
  }

  protected onStrayData(id: number): void {
    if (!this.#wereReset.has(id)) throw new H2Fault(Code.streamClosed, 'DATA of a closed stream', id)
  }

  protected onReset(): void {
    this.resets.count()
  }

  protected onSettings(): void {}

  protected onGoaway(): void {
    this.drain()
  }

  protected onBlocked(): void {
    this.arm(this.context.settings.sendTimeout)
  }

  protected onIdle(): void {
    if (this.#goingAway) this.end(undefined)
    else this.onRead()
  }

  override reset(id: number, code: number, fault?: H2Fault): void {
    this.#wereReset.add(id)
    super.reset(id, code, fault)
  }

  /** Finishes what runs, takes nothing new. */
  drain(): void {
    if (this.#goingAway) return
    this.#goingAway = true
    this.queue.add(numbersFrame(Frame.goaway, 0, this.lastStream, Code.none))
    if (this.streams.size === 0) this.end(undefined)
  }

  onEnd(): void {
    this.drain()
  }

  override onClose(error: Error | undefined): void {
    super.onClose(error)
    this.#onClose(this)
  }

  onDeadline(): void {
    if (this.closing || this.window.blocked || !this.peer.known || this.inHeaders) this.destroy()
    else this.drain()
  }
}
