import {
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { Deadlines, Timed } from '../deadlines.ts'
import { FieldTable } from '../fields.ts'
import type { BreakKind } from '../forward-plan.ts'
import { emptyFraming, frameResponse } from '../framing.ts'
import { ResponseHead } from '../head.ts'
import { NOBODY, type Transport } from '../transport.ts'
import type { IdlePlace, UpstreamLink, UpstreamUser } from '../upstream-link.ts'
import { fieldLines, requestFields } from './h2-fields.ts'
import type { H2Session } from './h2-sessions.ts'

const NEVER = Number.POSITIVE_INFINITY
const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = constants
const END_STREAM = 1

/** A request on an HTTP/2 connection to a server, as the engine sees one: heads pass the same strict parser as HTTP/1.1's. */
export class H2UpstreamStream implements UpstreamLink, Timed {
  readonly key: string
  readonly transport: Transport
  deadline = NEVER
  closed = false
  readonly requests = 1
  readonly reusable = false
  idleIn: IdlePlace | undefined
  readonly #session: H2Session
  readonly #deadlines: Deadlines
  #stream: ClientHttp2Stream | undefined
  #user: UpstreamUser | undefined
  #trailers: FieldTable | undefined
  #method = ''
  #answered = false

  constructor(session: H2Session, deadlines: Deadlines) {
    this.key = session.key
    this.#session = session
    this.#deadlines = deadlines
    this.transport = describe(() => this.#stream)
    deadlines.add(this)
  }

  attach(user: UpstreamUser): void {
    this.#user = user
  }
  detach(): void {
    this.#user = undefined
    this.deadline = NEVER
  }
  arm(ms: number): void {
    this.deadline = this.#deadlines.now + ms
  }

  begin(head: string, { body }: { readonly body: boolean }): void {
    const fields = requestFields(head, { secure: this.#session.client.encrypted === true })
    this.#method = String(fields[':method'])
    try {
      this.#start(fields, { endStream: !body })
    } catch (error) {
      // The connection ended a moment ago.
      process.nextTick(() => this.#break('unprocessed', error instanceof Error ? error : undefined))
    }
  }

  #start(fields: OutgoingHttpHeaders, options: { readonly endStream: boolean }): void {
    const stream = this.#session.client.request(fields, options)
    this.#stream = stream
    stream.on('headers', (headers) => {
      const head = parseHead(headers)
      if (head !== undefined && head.status < 200) this.#user?.onInterim(head)
    })
    stream.on('response', (headers, flags) => this.#answer(headers, { empty: (flags & END_STREAM) !== 0 }))
    stream.on('data', (chunk: Buffer) => {
      this.#user?.onContent(chunk, 0, chunk.length)
      this.#user?.onBatchEnd()
    })
    stream.on('trailers', (headers: IncomingHttpHeaders) => {
      const table = new FieldTable()
      const text = Buffer.from(`${fieldLines(headers)}\r\n`, 'latin1')
      if (table.parseFields(text, 0, text.length) === text.length) this.#trailers = table
      else this.#break('malformed', undefined)
    })
    stream.on('drain', () => this.#user?.onWritable())
    stream.on('end', () => {
      if (this.#answered && stream.rstCode === 0) this.#user?.onResponseEnd(this.#trailers)
    })
    stream.on('error', (error) => this.#closedBy(stream, error))
    stream.on('close', () => this.#closedBy(stream, undefined))
  }

  #answer(headers: IncomingHttpHeaders, { empty }: { readonly empty: boolean }): void {
    const user = this.#user
    if (user === undefined) return
    const head = parseHead(headers)
    const framing = emptyFraming()
    if (head === undefined || !frameResponse(head, this.#method, framing)) {
      this.#break('malformed', undefined)
      return
    }
    this.#answered = true
    if (empty) framing.body = 'none'
    user.onHead(head, framing)
    if (empty) this.#user?.onResponseEnd(undefined)
    else this.#user?.onBatchEnd()
  }

  content(chunk: Buffer): boolean {
    // The stream sends when the window allows; the bytes may lie in a buffer that is read into again.
    return this.#stream?.write(Buffer.from(chunk)) ?? true
  }

  endBody(): void {
    this.#stream?.end()
  }

  destroy(): void {
    this.#over()
    this.#stream?.close(NGHTTP2_CANCEL)
  }

  #over(): void {
    if (this.closed) return
    this.closed = true
    this.#user = undefined
    this.#deadlines.remove(this)
    this.#session.left()
  }

  #closedBy(stream: ClientHttp2Stream, error: Error | undefined): void {
    const refused = stream.rstCode === NGHTTP2_REFUSED_STREAM
    this.#break(refused && !this.#answered ? 'unprocessed' : 'closed', error)
  }

  #break(kind: BreakKind, error: Error | undefined): void {
    const user = this.#user
    this.destroy()
    user?.onBroken(kind, error)
  }

  onDeadline(): void {
    // Whatever holds it up, the next request had better take another connection.
    if (!this.#answered) this.#session.retire()
    this.#break('timeout', undefined)
  }
}

function parseHead(headers: IncomingHttpHeaders): ResponseHead | undefined {
  const text = Buffer.from(`HTTP/1.1 ${headers[':status']} \r\n${fieldLines(headers)}\r\n`, 'latin1')
  const head = new ResponseHead()
  return head.parse(text, 0, text.length) === text.length ? head : undefined
}

function describe(stream: () => ClientHttp2Stream | undefined): Transport {
  return {
    remoteAddress: '',
    remotePort: 0,
    localAddress: '',
    localPort: 0,
    encrypted: false,
    receiver: NOBODY,
    assumePeer() {},
    write: () => true,
    writeHeld: () => true,
    cork() {},
    uncork: () => true,
    pause: () => void stream()?.pause(),
    resume: () => void stream()?.resume(),
    end() {},
    destroy: () => void stream()?.close(NGHTTP2_CANCEL),
  }
}
