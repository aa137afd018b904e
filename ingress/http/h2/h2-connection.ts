import type { Timed } from '../deadlines.ts'
import type { RequestHead } from '../head.ts'
import type { ConnectionContext } from '../server-handler.ts'
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
  Setting,
  settingsFrame,
} from './frames.ts'
import { H2Stream } from './h2-stream.ts'
import { type HeaderBlock, HeaderBlocks } from './header-blocks.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import {
  CONCURRENT_STREAMS,
  CONNECTION_WINDOW,
  newIdleLimit,
  newResetLimit,
  STREAM_WINDOW,
} from './limits.ts'
import { Preface } from './preface.ts'
import { ReceiveWindow } from './receive-window.ts'
import { RecentIds } from './recent-ids.ts'
import { SendWindow } from './send-window.ts'
import { readSettings } from './settings.ts'

const NEVER = Number.POSITIVE_INFINITY
const LINGER_MS = 5000

/** An HTTP/2 connection of a client (RFC 9113). */
export class H2Connection implements Receiver, Timed {
  readonly transport: Transport
  readonly context: ConnectionContext
  deadline = NEVER
  /** Streams that are open on either side. */
  readonly streams = new Map<number, H2Stream>()
  readonly window = new SendWindow(this.streams)
  /** Tables of heads that are free to be used again, at most one per stream. */
  readonly heads: RequestHead[] = []
  readonly #onClose: (connection: H2Connection) => void
  readonly #preface = new Preface()
  readonly #blocks: HeaderBlocks
  readonly #decoder = new HpackDecoder()
  readonly #queue: FrameQueue
  readonly #reader = new FrameReader((type, flags, stream, payload) =>
    this.#frame(type, flags, stream, payload),
  )
  readonly #resets = newResetLimit()
  readonly #idleFrames = newIdleLimit()
  readonly #wereReset = new RecentIds()
  #settled = false
  #lastStream = 0
  readonly #receiveWindow = new ReceiveWindow(0, CONNECTION_WINDOW)
  #goingAway = false
  #closing = false

  constructor(transport: Transport, context: ConnectionContext, onClose: (connection: H2Connection) => void) {
    this.transport = transport
    this.context = context
    this.#onClose = onClose
    this.#blocks = new HeaderBlocks(context.settings.maxHeaderSize)
    this.#queue = new FrameQueue(transport, () => this.#onBlocked())
    transport.receiver = this
    context.deadlines.add(this)
    this.#arm(context.settings.headerTimeout)
    this.send(
      settingsFrame([
        [Setting.maxStreams, CONCURRENT_STREAMS],
        [Setting.initialWindow, STREAM_WINDOW],
        [Setting.maxHeaderList, context.settings.maxHeaderSize],
      ]),
    )
    this.send(numbersFrame(Frame.windowUpdate, 0, CONNECTION_WINDOW - DEFAULT_WINDOW))
  }

  #arm(ms: number): void {
    this.deadline = this.context.deadlines.now + ms
  }

  onData(buffer: Buffer, length: number): void {
    if (this.#closing) return
    try {
      const start = this.#preface.skip(buffer, length)
      if (start < length) this.#reader.push(buffer, start, length)
    } catch (error) {
      if (!(error instanceof H2Fault)) throw error
      this.#fail(error)
    }
    this.#settleDeadline()
  }

  /** What a client is given time for: the rest of a head, or the next request. */
  #settleDeadline(): void {
    if (this.#closing || this.window.blocked) return
    const { settings } = this.context
    if (!this.#settled || this.#blocks.stream !== undefined) {
      if (this.deadline === NEVER) this.#arm(settings.headerTimeout)
    } else if (this.streams.size === 0) this.#arm(settings.keepaliveTimeout)
    else this.deadline = NEVER
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (this.#closing) return
    if (!this.#settled && type !== Frame.settings) throw new H2Fault(Code.protocol, 'no SETTINGS at first')
    if (this.#blocks.stream !== undefined && (type !== Frame.continuation || id !== this.#blocks.stream))
      throw new H2Fault(Code.protocol, 'a header block interrupted')
    try {
      checkFrame(type, id, payload)
      this.#take(type, flags, id, payload)
    } catch (error) {
      if (!(error instanceof H2Fault) || error.stream === 0) throw error
      this.reset(error.stream, error.code)
      this.#resets.count()
    }
  }

  #take(type: number, flags: number, id: number, payload: Buffer): void {
    switch (type) {
      case Frame.data:
        this.#data(flags, id, payload)
        break
      case Frame.headers:
        this.#headers(flags, id, payload)
        break
      case Frame.continuation:
        if (payload.length === 0) this.#idleFrames.count()
        this.#message(this.#blocks.add(flags, payload))
        break
      case Frame.priority:
        this.#idleFrames.count()
        break
      case Frame.reset:
        this.#checkOpened(id)
        this.#resets.count()
        this.streams.get(id)?.closed()
        break
      case Frame.settings:
        this.#settings(flags, payload)
        break
      case Frame.ping:
        if ((flags & Flag.ack) !== 0) break
        this.#idleFrames.count()
        this.send(ackFrame(Frame.ping, payload))
        break
      case Frame.goaway:
        this.drain()
        break
      case Frame.windowUpdate:
        if (id !== 0) this.#checkOpened(id)
        this.window.grow(id, payload.readUInt32BE(0) & 0x7fffffff)
        break
    }
  }

  #checkOpened(id: number): void {
    if (id === 0 || id > this.#lastStream)
      throw new H2Fault(Code.protocol, 'a frame of a stream nobody opened')
  }

  #settings(flags: number, payload: Buffer): void {
    this.#settled = true
    if ((flags & Flag.ack) !== 0) {
      if (payload.length > 0) throw new H2Fault(Code.frameSize, 'SETTINGS acknowledged with a payload')
      return
    }
    this.#idleFrames.count()
    const { initialWindow } = readSettings(payload)
    if (initialWindow !== undefined) this.window.setInitial(initialWindow)
    this.send(ackFrame(Frame.settings, Buffer.alloc(0)))
  }

  #data(flags: number, id: number, payload: Buffer): void {
    this.#checkOpened(id)
    // Padding counts as well (RFC 9113 §6.9.1).
    if (!this.#receiveWindow.arrived(payload.length))
      throw new H2Fault(Code.flowControl, 'more DATA than the window allows')
    const content = unpadded(flags, payload)
    const end = (flags & Flag.endStream) !== 0
    if (content.length === 0 && !end) this.#idleFrames.count()
    const stream = this.streams.get(id)
    if (stream === undefined) {
      this.taken(payload.length)
      if (this.#wereReset.has(id)) return
      throw new H2Fault(Code.streamClosed, 'DATA of a closed stream', id)
    }
    stream.data(content, { end, size: payload.length })
  }

  /** Bytes of a body were used: the client may send as many more. */
  taken(size: number): void {
    const update = this.#receiveWindow.used(size)
    if (update !== undefined) this.send(update)
  }

  #headers(flags: number, id: number, payload: Buffer): void {
    if (id % 2 === 0) throw new H2Fault(Code.protocol, 'HEADERS of a stream that a client does not open')
    const fragment = headerFragment(id, flags, payload)
    this.#message(this.#blocks.begin(id, flags, fragment))
  }

  /** If a header block is complete: it is a request's head, or trailers. */
  #message(block: HeaderBlock | undefined): void {
    if (block === undefined) return
    const { stream: id, endStream, bytes } = block
    const fields = this.#decoder.decode(bytes, this.context.settings.maxHeaderSize)
    const open = this.streams.get(id)
    if (open !== undefined) {
      open.trailers(fields, { endStream })
      return
    }
    if (this.#wereReset.has(id)) return
    if (id <= this.#lastStream) throw new H2Fault(Code.streamClosed, 'HEADERS of a closed stream')
    // The client does not know yet that it is to open no more.
    if (this.#goingAway) return
    this.#lastStream = id
    if (this.streams.size >= CONCURRENT_STREAMS) throw new H2Fault(Code.refused, 'too many streams', id)
    const stream = new H2Stream(id, this)
    this.streams.set(id, stream)
    stream.begin(fields, { endStream })
  }

  /** Queues frames. */
  send(frames: Buffer): void {
    if (!this.#closing) this.#queue.add(frames)
  }

  #onBlocked(): void {
    this.window.blocked = true
    if (!this.#closing) this.#arm(this.context.settings.sendTimeout)
  }

  onDrain(): void {
    this.window.blocked = false
    this.#settleDeadline()
    this.window.advance()
  }

  /** Ends a stream from our side, with a reason. */
  reset(id: number, code: number): void {
    this.#wereReset.add(id)
    this.send(numbersFrame(Frame.reset, id, code))
    this.streams.get(id)?.closed()
  }

  /** Called by a stream that is over. */
  forget(stream: H2Stream): void {
    if (this.streams.get(stream.id) !== stream) return
    this.streams.delete(stream.id)
    if (this.streams.size > 0 || this.#closing) return
    if (this.#goingAway) this.#end()
    else this.#settleDeadline()
  }

  /** Finishes what runs, takes nothing new. */
  drain(): void {
    if (this.#goingAway) return
    this.#goingAway = true
    this.send(numbersFrame(Frame.goaway, 0, this.#lastStream, Code.none))
    if (this.streams.size === 0) this.#end()
  }

  #fail(fault: H2Fault): void {
    this.send(numbersFrame(Frame.goaway, 0, this.#lastStream, fault.code))
    this.#end()
  }

  #end(): void {
    if (this.#closing) return
    this.#closing = true
    for (const stream of [...this.streams.values()]) stream.closed()
    this.#queue.flush()
    this.#arm(LINGER_MS)
    this.transport.end()
  }

  destroy(): void {
    this.#closing = true
    this.transport.destroy()
  }

  onEnd(): void {
    this.drain()
  }

  onClose(): void {
    this.#closing = true
    this.#queue.clear()
    this.context.deadlines.remove(this)
    for (const stream of [...this.streams.values()]) stream.closed()
    this.#onClose(this)
  }

  onDeadline(): void {
    if (this.#closing || this.window.blocked || !this.#settled || this.#blocks.stream !== undefined)
      this.destroy()
    else this.drain()
  }
}
