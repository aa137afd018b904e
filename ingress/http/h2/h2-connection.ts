import type { Deadlines, Timed } from '../deadlines.ts'
import type { Receiver, Transport } from '../transport.ts'
import { Code, H2Fault } from './fault.ts'
import { checkFrame, headerFragment, unpadded } from './frame-checks.ts'
import { FrameQueue } from './frame-queue.ts'
import {
  ackFrame,
  DEFAULT_WINDOW,
  Flag,
  Frame,
  FrameReader,
  numbersFrame,
  type SettingPair,
  settingsFrame,
} from './frames.ts'
import { type HeaderBlock, HeaderBlocks } from './header-blocks.ts'
import { type Fields, HpackDecoder } from './hpack-decoder.ts'
import { CONNECTION_WINDOW, newIdleLimit, newResetLimit } from './limits.ts'
import { ReceiveWindow } from './receive-window.ts'
import { SendWindow } from './send-window.ts'
import { PeerSettings } from './settings.ts'
import type { StreamSender } from './stream-sender.ts'

const LINGER_MS = 5000
export const NEVER = Number.POSITIVE_INFINITY

/** A stream, as far as its connection goes. */
export interface ConnectionStream {
  readonly id: number
  readonly sender: StreamSender
  /** A header block; no fields if they are more than we take. */
  fields(fields: Fields | undefined, state: { readonly end: boolean }): void
  /** DATA; `size` counts its padding. */
  data(content: Buffer, state: { readonly end: boolean; readonly size: number }): void
  /** It is over: the peer reset it with a code, we did for a fault, or the connection ended, perhaps for one. */
  ended(reason: number | Error | undefined): void
}

/**
 * An HTTP/2 connection (RFC 9113), whichever side we are: frames in and out, windows, header tables, and what a peer may cost
 * us. The sides differ in who opens streams and in what becomes of the connection.
 */
export abstract class H2Connection<S extends ConnectionStream> implements Receiver, Timed {
  readonly transport: Transport
  readonly deadlines: Deadlines
  deadline = NEVER
  /** Streams that are open on either side. */
  readonly streams = new Map<number, S>()
  readonly window = new SendWindow(this.streams)
  readonly peer = new PeerSettings()
  /** Frames leave when everything that has arrived is handled. */
  readonly queue: FrameQueue
  /** The highest stream that was opened. */
  protected lastStream = 0
  /** Nothing is read or sent any more. */
  protected closing = false
  protected readonly idleFrames = newIdleLimit()
  protected readonly resets = newResetLimit()
  readonly #headerLimit: number
  readonly #blocks: HeaderBlocks
  readonly #decoder = new HpackDecoder()
  readonly #reader = new FrameReader((type, flags, stream, payload) =>
    this.#frame(type, flags, stream, payload),
  )
  readonly #receiveWindow = new ReceiveWindow(0, CONNECTION_WINDOW)

  constructor(
    transport: Transport,
    deadlines: Deadlines,
    options: {
      /** Most bytes of a header block, and of the fields in it. */
      readonly headerLimit: number
      /** What goes before our SETTINGS. */
      readonly preface?: Buffer
      readonly settings: readonly SettingPair[]
    },
  ) {
    this.transport = transport
    this.deadlines = deadlines
    this.#headerLimit = options.headerLimit
    this.#blocks = new HeaderBlocks(options.headerLimit)
    this.queue = new FrameQueue(transport, {
      onFlush: () => this.onFlush(),
      onBlocked: () => this.#onBlocked(),
    })
    transport.receiver = this
    deadlines.add(this)
    if (options.preface !== undefined) this.queue.add(options.preface)
    this.queue.add(settingsFrame(options.settings))
    this.queue.add(numbersFrame(Frame.windowUpdate, 0, CONNECTION_WINDOW - DEFAULT_WINDOW))
  }

  /** A header block that belongs to no open stream; `fields` as in ConnectionStream. */
  protected abstract onFields(id: number, fields: Fields | undefined, state: { readonly end: boolean }): void
  /** DATA of a stream that is not open. */
  protected abstract onStrayData(id: number): void
  /** RST_STREAM, whether the stream is open or not. */
  protected abstract onReset(id: number): void
  /** SETTINGS of the peer, which are in `peer` now. */
  protected abstract onSettings(): void
  protected abstract onGoaway(lastStream: number, code: number): void
  /** Everything that arrived is handled: look at the deadline. */
  protected abstract onRead(): void
  /** The transport takes nothing just now. */
  protected abstract onBlocked(): void
  /** The last stream is over. */
  protected abstract onIdle(): void
  /** Frames are about to leave. */
  protected onFlush(): void {}
  /** Takes what a peer sends before frames; the offset behind it. */
  protected readPreface(_buffer: Buffer, _length: number): number {
    return 0
  }
  /** Throws if HEADERS of that stream make no sense. */
  protected abstract checkHeaders(id: number): void
  abstract onEnd(): void
  abstract onDeadline(): void

  protected arm(ms: number): void {
    this.deadline = this.deadlines.now + ms
  }
  /** A header block has begun and has not ended. */
  protected get inHeaders(): boolean {
    return this.#blocks.stream !== undefined
  }

  onData(buffer: Buffer, length: number): void {
    if (this.closing) return
    try {
      const start = this.readPreface(buffer, length)
      if (start < length) this.#reader.push(buffer, start, length)
    } catch (error) {
      if (!(error instanceof H2Fault)) throw error
      this.fail(error)
    }
    this.onRead()
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (this.closing) return
    if (!this.peer.known && (type !== Frame.settings || (flags & Flag.ack) !== 0))
      throw new H2Fault(Code.protocol, 'no SETTINGS at first')
    const open = this.#blocks.stream
    if (open !== undefined && (type !== Frame.continuation || id !== open))
      throw new H2Fault(Code.protocol, 'a header block interrupted')
    try {
      checkFrame(type, id, payload)
      this.#take(type, flags, id, payload)
    } catch (error) {
      if (!(error instanceof H2Fault) || error.stream === 0) throw error
      this.reset(error.stream, error.code, error)
      this.resets.count()
    }
  }

  #take(type: number, flags: number, id: number, payload: Buffer): void {
    switch (type) {
      case Frame.data:
        this.#data(flags, id, payload)
        break
      case Frame.headers:
        this.checkHeaders(id)
        this.#message(this.#blocks.begin(id, flags, headerFragment(id, flags, payload)))
        break
      case Frame.continuation:
        if (payload.length === 0) this.idleFrames.count()
        this.#message(this.#blocks.add(flags, payload))
        break
      case Frame.priority:
        this.idleFrames.count()
        break
      case Frame.reset:
        this.checkOpened(id)
        this.onReset(id)
        this.streams.get(id)?.ended(payload.readUInt32BE(0))
        break
      case Frame.settings:
        this.#settings(flags, payload)
        break
      case Frame.ping:
        if ((flags & Flag.ack) !== 0) break
        this.idleFrames.count()
        this.queue.add(ackFrame(Frame.ping, payload))
        break
      case Frame.goaway:
        if (payload.length < 8) throw new H2Fault(Code.frameSize, 'GOAWAY too short')
        this.onGoaway(payload.readUInt32BE(0) & 0x7fffffff, payload.readUInt32BE(4))
        break
      case Frame.windowUpdate:
        if (id !== 0) this.checkOpened(id)
        this.window.grow(id, payload.readUInt32BE(0) & 0x7fffffff)
        break
      default:
        this.idleFrames.count()
    }
  }

  protected checkOpened(id: number): void {
    if (id > this.lastStream) throw new H2Fault(Code.protocol, 'a frame of a stream nobody opened')
  }

  #settings(flags: number, payload: Buffer): void {
    if ((flags & Flag.ack) !== 0) {
      if (payload.length > 0) throw new H2Fault(Code.frameSize, 'SETTINGS acknowledged with a payload')
      return
    }
    this.idleFrames.count()
    this.peer.read(payload)
    this.queue.add(ackFrame(Frame.settings, Buffer.alloc(0)))
    this.window.setInitial(this.peer.initialWindow)
    this.onSettings()
  }

  #data(flags: number, id: number, payload: Buffer): void {
    this.checkOpened(id)
    // Padding counts as well (RFC 9113 §6.9.1).
    if (!this.#receiveWindow.arrived(payload.length))
      throw new H2Fault(Code.flowControl, 'more DATA than the window allows')
    const content = unpadded(flags, payload)
    const end = (flags & Flag.endStream) !== 0
    if (content.length === 0 && !end) this.idleFrames.count()
    const stream = this.streams.get(id)
    if (stream === undefined) {
      this.taken(payload.length)
      this.onStrayData(id)
    } else stream.data(content, { end, size: payload.length })
  }

  /** Bytes of DATA were used: the peer may send as many more. */
  taken(size: number): void {
    const update = this.#receiveWindow.used(size)
    if (update !== undefined) this.queue.add(update)
  }

  #message(block: HeaderBlock | undefined): void {
    if (block === undefined) return
    const { stream: id, endStream: end, bytes } = block
    const fields = this.#decoder.decode(bytes, this.#headerLimit)
    const stream = this.streams.get(id)
    if (stream === undefined) this.onFields(id, fields, { end })
    else stream.fields(fields, { end })
  }

  #onBlocked(): void {
    this.window.blocked = true
    if (!this.closing) this.onBlocked()
  }

  onDrain(): void {
    this.window.blocked = false
    this.queue.drained()
    this.onRead()
    this.window.advance()
  }

  /** Ends a stream from our side, with a reason. */
  reset(id: number, code: number, fault?: H2Fault): void {
    this.queue.add(numbersFrame(Frame.reset, id, code))
    this.streams.get(id)?.ended(fault)
  }

  /** Called by a stream that is over. */
  forget(stream: S): void {
    if (this.streams.get(stream.id) !== stream) return
    this.streams.delete(stream.id)
    if (this.streams.size === 0 && !this.closing) this.onIdle()
  }

  protected fail(fault: H2Fault): void {
    this.queue.add(numbersFrame(Frame.goaway, 0, this.lastStream, fault.code))
    this.end(fault)
  }

  /** Sends what is queued, and closes; streams that are open end with it. */
  protected end(reason: Error | undefined): void {
    if (this.closing) return
    this.queue.flush()
    this.queue.close()
    this.closing = true
    this.#endStreams(reason)
    this.arm(LINGER_MS)
    this.transport.end()
  }

  #endStreams(reason: Error | undefined): void {
    for (const stream of [...this.streams.values()]) stream.ended(reason)
  }

  destroy(): void {
    this.closing = true
    this.transport.destroy()
  }

  onClose(error: Error | undefined): void {
    this.closing = true
    this.queue.close()
    this.deadlines.remove(this)
    this.#endStreams(error)
  }
}
