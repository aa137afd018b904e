import { BodyReader } from './body.ts'
import type { Deadlines, Timed } from './deadlines.ts'
import type { FieldTable } from './fields.ts'
import type { BreakKind } from './forward-plan.ts'
import { emptyFraming, frameResponse } from './framing.ts'
import { INCOMPLETE, ResponseHead } from './head.ts'
import { trailerLines } from './response-writer.ts'
import type { Receiver, Transport } from './transport.ts'
import type { IdlePlace, UpstreamLink, UpstreamUser } from './upstream-link.ts'

const MAX_RESPONSE_HEAD = 65_536

/** One connection to an upstream server: cuts its byte stream into responses. */
export class UpstreamConnection implements Receiver, Timed, UpstreamLink {
  readonly key: string
  readonly transport: Transport
  deadline = Number.POSITIVE_INFINITY
  requests = 0
  closed = false
  /** Set by the pool while the connection idles there. */
  idleIn: IdlePlace | undefined
  readonly #deadlines: Deadlines
  readonly #head = new ResponseHead()
  readonly #framing = emptyFraming()
  readonly #body = new BodyReader()
  #user: UpstreamUser | undefined
  #buffer: Buffer | undefined
  #inBody = false

  constructor(key: string, transport: Transport, deadlines: Deadlines) {
    this.key = key
    this.transport = transport
    this.#deadlines = deadlines
    transport.receiver = this
    deadlines.add(this)
  }

  /** It must make progress within that time. */
  arm(ms: number): void {
    this.deadline = this.#deadlines.now + ms
  }

  attach(user: UpstreamUser): void {
    this.#user = user
    this.#inBody = false
    this.#buffer = undefined
    this.requests++
  }

  begin(head: string): void {
    this.transport.write(head)
  }

  content(
    chunk: Buffer,
    { chunked, corked }: { readonly chunked: boolean; readonly corked: boolean },
  ): boolean {
    const { transport } = this
    if (!chunked) return transport.write(chunk)
    if (!corked) transport.cork()
    transport.write(`${chunk.length.toString(16)}\r\n`)
    transport.write(chunk)
    const more = transport.write('\r\n')
    return corked ? more : transport.uncork()
  }

  endBody({
    chunked,
    trailers,
  }: {
    readonly chunked: boolean
    readonly trailers: FieldTable | undefined
  }): void {
    if (chunked) this.transport.write(`0\r\n${trailerLines(trailers)}\r\n`)
  }

  detach(): void {
    this.#user = undefined
    this.deadline = Number.POSITIVE_INFINITY
  }

  destroy(): void {
    this.#user = undefined
    this.closed = true
    this.#deadlines.remove(this)
    this.transport.destroy()
  }

  onData(arrived: Buffer, length: number): void {
    const user = this.#user
    if (user === undefined) {
      // An answer to no question: whatever this server believes, its next answer would be attributed to the wrong request.
      this.#idleClose()
      return
    }
    const held = this.#buffer
    const buffer = held === undefined ? arrived : Buffer.concat([held, arrived.subarray(0, length)])
    const end = held === undefined ? length : buffer.length
    this.#buffer = undefined
    let pos = 0
    while (pos < end && this.#user === user) {
      if (!this.#inBody) {
        const next = this.#readHead(user, buffer, pos, end)
        if (next < 0) {
          if (next === INCOMPLETE) this.#buffer = Buffer.from(buffer.subarray(pos, end))
          break
        }
        pos = next
        continue
      }
      const body = this.#body
      pos = body.next(buffer, pos, end)
      if (body.failed) {
        this.#break(user, 'malformed')
        break
      }
      if (body.dataEnd > body.dataStart) user.onContent(buffer, body.dataStart, body.dataEnd)
      if (body.done) {
        // Bytes behind a complete response answer nothing: the connection is not used again.
        if (pos < end) this.#framing.keepAlive = false
        user.onResponseEnd(body.trailers)
        return
      }
    }
    if (this.#user === user) user.onBatchEnd()
  }

  #readHead(user: UpstreamUser, buffer: Buffer, pos: number, end: number): number {
    const head = this.#head
    const next = head.parse(buffer, pos, end)
    if (next === INCOMPLETE && end - pos <= MAX_RESPONSE_HEAD) return INCOMPLETE
    if (next < 0 || !frameResponse(head, user.method, this.#framing)) {
      this.#break(user, 'malformed')
      return -2
    }
    if (head.status === 101) {
      this.#user = undefined
      this.#deadlines.remove(this)
      this.closed = true
      user.onSwitch(head, buffer.subarray(next, end))
      return end
    }
    if (head.status < 200) {
      user.onInterim(head)
      return next
    }
    this.#inBody = true
    this.#body.start(this.#framing.body, this.#framing.length)
    user.onHead(head, this.#framing)
    if (this.#user === user && this.#body.done) {
      if (next < end) this.#framing.keepAlive = false
      user.onResponseEnd(undefined)
      return end
    }
    return next
  }

  get reusable(): boolean {
    return this.#framing.keepAlive && !this.closed
  }

  #break(user: UpstreamUser, reason: BreakKind, error?: Error | undefined): void {
    this.destroy()
    user.onBroken(reason, error)
  }

  #idleClose(): void {
    this.destroy()
    this.idleIn?.remove(this)
  }

  onDrain(): void {
    this.#user?.onWritable()
  }

  onEnd(): void {
    const user = this.#user
    if (user === undefined) {
      if (!this.closed) this.#idleClose()
      return
    }
    if (this.#inBody && this.#body.kind === 'close') {
      this.#framing.keepAlive = false
      user.onResponseEnd(undefined)
      return
    }
    this.#break(user, 'closed')
  }

  onClose(error: Error | undefined): void {
    this.#deadlines.remove(this)
    if (this.closed) return
    this.closed = true
    const user = this.#user
    this.#user = undefined
    if (user === undefined) this.idleIn?.remove(this)
    else user.onBroken('closed', error)
  }

  onDeadline(): void {
    const user = this.#user
    if (user === undefined) this.#idleClose()
    else this.#break(user, 'timeout')
  }
}
