import type { Deadlines } from '../deadlines.ts'
import type { FieldTable } from '../fields.ts'
import type { ResponseHead } from '../head.ts'
import type { Endpoint, PoolSettings } from '../pool.ts'
import type { Transport } from '../transport.ts'
import { Code, H2Fault } from './fault.ts'
import { Frame, numbersFrame, Setting } from './frames.ts'
import { H2Connection, NEVER } from './h2-connection.ts'
import { H2UpstreamStream } from './h2-upstream-stream.ts'
import { CONCURRENT_STREAMS, RESPONSE_HEAD, STREAM_WINDOW } from './limits.ts'
import { PREFACE } from './preface.ts'
import { RecentIds } from './recent-ids.ts'

const MOST_ID = 2 ** 31 - 1

/** Where a connection is told of. */
interface ConnectionOwner {
  /** The server's SETTINGS are here: it speaks HTTP/2, and streams may be opened. */
  onReady(connection: H2UpstreamConnection): void
  /** No further stream will be opened, for a reason if it was ready for none yet. Called once. */
  onRetired(connection: H2UpstreamConnection, error: Error | undefined): void
}

/** An HTTP/2 connection to a server: we open streams, it answers. */
export class H2UpstreamConnection extends H2Connection<H2UpstreamStream> {
  readonly key: string
  readonly secure: boolean
  /** Tables of heads and trailers that are free to be used again, at most one per stream. */
  readonly heads: ResponseHead[] = []
  readonly tables: FieldTable[] = []
  readonly #owner: ConnectionOwner
  readonly #wereReset = new RecentIds()
  /** As they were at the latest request. */
  settings: PoolSettings
  /** Streams opened so far. */
  requests = 0
  #ready = false
  #retired = false
  /** When anything arrived last. */
  #readAt: number
  /** Streams that have something to send, and those that something arrived for. */
  #gathered = new Set<H2UpstreamStream>()
  #touched: H2UpstreamStream[] = []

  constructor(
    transport: Transport,
    deadlines: Deadlines,
    options: {
      readonly endpoint: Endpoint
      readonly settings: PoolSettings
      readonly owner: ConnectionOwner
    },
  ) {
    super(transport, deadlines, {
      headerLimit: RESPONSE_HEAD,
      preface: PREFACE,
      settings: [
        [Setting.enablePush, 0],
        [Setting.initialWindow, STREAM_WINDOW],
        [Setting.maxHeaderList, RESPONSE_HEAD],
      ],
    })
    this.key = options.endpoint.key
    this.secure = options.endpoint.tls !== undefined
    this.settings = options.settings
    this.#owner = options.owner
    this.#readAt = deadlines.now
  }

  /** Another stream may be opened, by the server's limit and the pool's. */
  get hasRoom(): boolean {
    return (
      this.#ready &&
      !this.#retired &&
      this.streams.size < Math.min(CONCURRENT_STREAMS, this.peer.maxStreams) &&
      this.requests < this.settings.requests &&
      this.lastStream < MOST_ID
    )
  }
  get idle(): boolean {
    return this.#ready && this.streams.size === 0
  }

  /** Opens a stream, if there is room. */
  stream(settings: PoolSettings): H2UpstreamStream {
    this.settings = settings
    this.requests++
    this.deadline = NEVER
    this.lastStream = 2 * this.requests - 1
    const stream = new H2UpstreamStream(this.lastStream, this)
    this.streams.set(stream.id, stream)
    return stream
  }

  /** The stream has something to send: it leaves, with all that comes until then, when everything that arrived is handled. */
  gather(stream: H2UpstreamStream): void {
    this.#gathered.add(stream)
    this.queue.schedule()
  }

  /** Sends what was gathered, in the order of the streams' ids as far as they begin. */
  sendGathered(): void {
    for (const stream of this.#gathered) stream.sendGathered()
    this.#gathered.clear()
  }

  protected override onFlush(): void {
    this.sendGathered()
  }

  /** Something arrived for the stream, which wants to know when that was all. */
  touch(stream: H2UpstreamStream): void {
    this.#touched.push(stream)
  }

  protected onRead(): void {
    this.#readAt = this.deadlines.now
    if (this.#touched.length === 0) return
    const touched = this.#touched
    this.#touched = []
    for (const stream of touched) stream.batchEnd()
  }

  /** An interim response: it costs the client a write each. */
  countInterim(): void {
    this.idleFrames.count()
  }

  protected checkHeaders(id: number): void {
    if (id % 2 === 0) throw new H2Fault(Code.protocol, 'HEADERS of a stream that a server opened')
    this.checkOpened(id)
  }

  protected onFields(): void {
    this.idleFrames.count()
  }

  protected onStrayData(id: number): void {
    if (!this.#wereReset.has(id)) this.idleFrames.count()
  }

  protected onReset(id: number): void {
    if (!this.streams.has(id)) this.idleFrames.count()
  }

  protected onSettings(): void {
    if (this.#ready) return
    this.#ready = true
    this.#owner.onReady(this)
  }

  /** RFC 9113 §6.8: the server did not look at streams above that one. */
  protected onGoaway(lastStream: number): void {
    this.#leave(undefined)
    for (const stream of [...this.streams.values()]) if (stream.id > lastStream) stream.ended(Code.refused)
    this.retire()
  }

  protected onBlocked(): void {}

  protected onIdle(): void {
    if (this.#retired || this.requests >= this.settings.requests) this.retire()
    else this.arm(this.settings.idleTimeout)
  }

  override reset(id: number, code: number, fault?: H2Fault): void {
    this.#wereReset.add(id)
    super.reset(id, code, fault)
  }

  /** A stream waited that long in vain: unless others fared better, the next request had better take another connection. */
  doubt(ms: number): void {
    if (this.deadlines.now - this.#readAt >= ms) this.retire()
  }

  #leave(error: Error | undefined): void {
    if (this.#retired) return
    this.#retired = true
    this.#owner.onRetired(this, error)
  }

  /** Finishes what runs, takes nothing new. */
  retire(): void {
    this.#leave(undefined)
    if (this.streams.size > 0 || this.closing) return
    this.queue.add(numbersFrame(Frame.goaway, 0, 0, Code.none))
    this.end(undefined)
  }

  protected override end(reason: Error | undefined): void {
    this.#leave(reason)
    super.end(reason)
  }

  onEnd(): void {
    this.end(new Error('the server closed the connection'))
  }

  override onClose(error: Error | undefined): void {
    this.#leave(error ?? new Error('the connection was closed'))
    super.onClose(error)
  }

  onDeadline(): void {
    if (this.closing || this.window.blocked) this.destroy()
    else this.retire()
  }
}
