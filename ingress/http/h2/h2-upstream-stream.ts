import type { Timed } from '../deadlines.ts'
import { FieldTable } from '../fields.ts'
import type { BreakKind } from '../forward-plan.ts'
import { emptyFraming, frameResponse } from '../framing.ts'
import { ResponseHead } from '../head.ts'
import { INLINE_LIMIT, trailerLines } from '../response-writer.ts'
import type { IdlePlace, UpstreamLink, UpstreamUser } from '../upstream-link.ts'
import { Code, H2Fault } from './fault.ts'
import { type ConnectionStream, NEVER } from './h2-connection.ts'
import type { H2UpstreamConnection } from './h2-upstream-connection.ts'
import { encodeLines, encodeRequest } from './head-block.ts'
import { headBytes, keepHead } from './head-memory.ts'
import { parseTrailers, responseText } from './head-text.ts'
import type { Fields } from './hpack-decoder.ts'
import { STREAM_WINDOW } from './limits.ts'
import { ReceiveWindow } from './receive-window.ts'
import { type SenderOwner, StreamSender } from './stream-sender.ts'
import { StreamTransport } from './stream-transport.ts'

/** What is gathered of a body before it goes on its way. */
const GATHERED_BYTES = 65_536

/**
 * A request on an HTTP/2 connection to a server, as the engine sees one. Heads pass the same strict parser as HTTP/1.1's.
 * Content that the engine does not want now is kept here, a stream's window of it at most: other streams go on.
 */
export class H2UpstreamStream implements UpstreamLink, ConnectionStream, SenderOwner, Timed {
  readonly id: number
  readonly key: string
  readonly transport: StreamTransport
  readonly sender: StreamSender
  readonly requests = 1
  readonly reusable = false
  idleIn: IdlePlace | undefined
  deadline = NEVER
  /** Nobody uses it any more. */
  over = false
  readonly #connection: H2UpstreamConnection
  readonly #receiveWindow: ReceiveWindow
  #user: UpstreamUser | undefined
  /** Something must happen within that time. */
  #patience = 0
  #method = ''
  /** Gathered, and not given to the sender yet: the head, content, the end. */
  #block: string | undefined
  #content: Buffer[] = []
  #size = 0
  #ends = false
  /** The server may know of it; has everything. */
  #begun = false
  #sent = false
  /** The response's head is here. */
  #head: ResponseHead | undefined
  /** Bytes of content that are to come still, if that is known. */
  #announced = Number.POSITIVE_INFINITY
  /** Everything has arrived; was handed over. */
  #received = false
  #finished = false
  #trailers: FieldTable | undefined
  #touched = false
  #paused = false
  #held: Buffer[] = []

  constructor(id: number, connection: H2UpstreamConnection) {
    this.id = id
    this.key = connection.key
    this.#connection = connection
    this.transport = new StreamTransport(this)
    this.sender = new StreamSender(id, connection, this)
    this.#receiveWindow = new ReceiveWindow(id, STREAM_WINDOW)
    connection.deadlines.add(this)
  }

  get closed(): boolean {
    return this.over
  }
  attach(user: UpstreamUser): void {
    this.#user = user
  }
  detach(): void {
    this.#user = undefined
    this.deadline = NEVER
  }
  arm(ms: number): void {
    this.#patience = ms
    this.deadline = this.#connection.deadlines.now + ms
  }

  begin(head: string, { body }: { readonly body: boolean }): void {
    this.#method = head.slice(0, head.indexOf(' '))
    this.#block = encodeRequest(head, { secure: this.#connection.secure })
    this.#ends = !body
    this.#connection.gather(this)
  }

  content(chunk: Buffer): boolean {
    this.#content.push(Buffer.from(chunk))
    this.#size += chunk.length
    this.#connection.gather(this)
    if (this.#size >= GATHERED_BYTES) this.#connection.sendGathered()
    return !this.sender.waits
  }

  endBody({ trailers }: { readonly trailers: FieldTable | undefined }): void {
    this.#ends = true
    if (trailers !== undefined) this.sender.setTrailers(encodeLines(trailerLines(trailers)))
    this.#connection.gather(this)
  }

  /** Called by the connection: what was gathered goes on its way. */
  sendGathered(): void {
    if (this.over) return
    const [block, content, state] = [this.#block, this.#content, { end: this.#ends }]
    this.#begun = true
    this.#block = undefined
    this.#content = []
    this.#size = 0
    if (block === undefined) this.sender.content(content, state)
    else this.sender.message(block, content, state)
  }

  onSent(): void {
    this.#sent = true
    this.#leaveIfDone()
  }

  onProgress({ waits }: { readonly waits: boolean }): void {
    // The server takes bytes, so it is there.
    if (this.deadline !== NEVER) this.arm(this.#patience)
    if (!waits) this.#user?.onWritable()
  }

  fields(fields: Fields | undefined, { end }: { readonly end: boolean }): void {
    if (this.#received) throw this.#fault('HEADERS after the end')
    if (this.#head === undefined) {
      this.#readHead(fields, { end })
      return
    }
    const { tables } = this.#connection
    const trailers = end ? parseTrailers(fields, tables.pop() ?? new FieldTable()) : undefined
    if (trailers === undefined) throw this.#fault('malformed trailers')
    this.#trailers = trailers
    this.#checkLength(0, { end })
    this.#ended()
  }

  #readHead(fields: Fields | undefined, { end }: { readonly end: boolean }): void {
    const written = fields === undefined ? undefined : responseText(fields)
    if (written === undefined) throw this.#fault('malformed response head')
    const head = this.#connection.heads.pop() ?? new ResponseHead()
    const size = written.text.length
    const next = head.parse(headBytes(head, written.text), 0, size)
    const framing = emptyFraming()
    const sound = next === size && head.count === written.count && frameResponse(head, this.#method, framing)
    if (!sound || (end && head.status < 200)) throw this.#fault('malformed response head')
    if (head.status < 200) {
      this.#connection.countInterim()
      this.#user?.onInterim(head)
      keepHead(this.#connection.heads, head)
      return
    }
    this.#head = head
    if (framing.body === 'none') this.#announced = 0
    else if (framing.length >= 0) this.#announced = framing.length
    this.#checkLength(0, { end })
    if (end) framing.body = 'none'
    this.#user?.onHead(head, framing)
    if (end) this.#ended()
    else this.#touch()
  }

  data(content: Buffer, { end, size }: { readonly end: boolean; readonly size: number }): void {
    // The connection's window is given back at once: what one client does not take holds up no other.
    this.#connection.taken(size)
    if (!this.#receiveWindow.arrived(size))
      throw new H2Fault(Code.flowControl, 'more DATA than the window allows', this.id)
    if (this.#head === undefined || this.#received) throw this.#fault('DATA out of place')
    this.#checkLength(content.length, { end })
    this.#use(size - content.length)
    if (content.length > 0) {
      // The transport's buffer is read into again, for other streams, before this one's client has taken the bytes.
      const own = this.#paused || content.length > INLINE_LIMIT ? Buffer.from(content) : content
      if (this.#paused) this.#held.push(own)
      else this.#deliver(own)
      this.#touch()
    }
    if (end) this.#ended()
  }

  #checkLength(size: number, { end }: { readonly end: boolean }): void {
    this.#announced -= size
    if (this.#announced < 0 || (end && this.#announced > 0 && this.#announced !== NEVER))
      throw this.#fault('content of another length than announced')
  }

  #fault(message: string): H2Fault {
    return new H2Fault(Code.protocol, message, this.id)
  }

  #deliver(content: Buffer): void {
    this.#user?.onContent(content, 0, content.length)
    this.#use(content.length)
  }

  /** Bytes that no longer lie here: the server may send as many more. */
  #use(size: number): void {
    const update = this.#received || size === 0 ? undefined : this.#receiveWindow.used(size)
    if (update !== undefined) this.#connection.queue.add(update)
  }

  /** Asks for `batchEnd`. */
  #touch(): void {
    if (this.#touched) return
    this.#touched = true
    this.#connection.touch(this)
  }

  /** Called by the connection: everything that had arrived is handled. */
  batchEnd(): void {
    this.#touched = false
    if (!this.#finished && !this.#paused) this.#user?.onBatchEnd()
  }

  #ended(): void {
    this.#received = true
    this.#leaveIfDone()
    if (!this.#paused) this.#finish()
  }

  #finish(): void {
    if (this.over) return
    this.#finished = true
    this.#user?.onResponseEnd(this.#trailers)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    const held = this.#held
    this.#held = []
    for (const content of held) this.#deliver(content)
    if (this.#received) this.#finish()
    else this.#user?.onBatchEnd()
  }

  destroy(): void {
    if (this.over) return
    this.over = true
    this.#user = undefined
    this.sender.stop()
    this.#held = []
    const connection = this.#connection
    connection.deadlines.remove(this)
    // Whoever logs the response looks at its fields once more in this turn; the next response may have the tables.
    if (this.#head !== undefined) keepHead(connection.heads, this.#head)
    if (this.#trailers !== undefined) keepHead(connection.tables, this.#trailers)
    if (connection.streams.get(this.id) !== this) return
    if (this.#begun) connection.reset(this.id, Code.cancel)
    else connection.forget(this)
  }

  /** The server has nothing more to say and nothing more to hear. */
  #leaveIfDone(): void {
    if (this.#sent && this.#received) this.#connection.forget(this)
  }

  /** It was reset, or ended with its connection. A response that is complete stays so. */
  ended(reason: number | Error | undefined): void {
    this.sender.stop()
    this.#connection.forget(this)
    if (this.over || this.#received) return
    const error = reason instanceof Error ? reason : undefined
    if (!this.#begun || (reason === Code.refused && this.#head === undefined))
      this.#break('unprocessed', error)
    else this.#break(error instanceof H2Fault && error.stream === this.id ? 'malformed' : 'closed', error)
  }

  #break(kind: BreakKind, error: Error | undefined): void {
    const user = this.#user
    this.destroy()
    user?.onBroken(kind, error)
  }

  onDeadline(): void {
    this.#connection.doubt(this.#patience)
    this.#break('timeout', undefined)
  }
}
