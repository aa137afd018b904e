import type { FieldTable } from './fields.ts'
import { Field, fieldMask } from './fields.ts'
import { MessageHeaders } from './message-headers.ts'
import { reasonPhrase } from './pages.ts'
import type { Transport } from './transport.ts'

// Strings up to this size are handed to the kernel in one call without a copy into a Buffer of our own.
const TEXT_LIMIT = 16_384
/** Content of no more bytes at once is never kept where it lies. */
export const INLINE_LIMIT = 8192

/** Fields of an upstream response that are hop-by-hop or that we write ourselves. */
const RESPONSE_SKIP = fieldMask(
  Field.connection,
  Field.keepAlive,
  Field.proxyConnection,
  Field.transferEncoding,
  Field.contentLength,
  Field.upgrade,
  Field.server,
  Field.te,
  Field.trailer,
)
const OWN_RESPONSE_EDITS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'server',
])

let dateText = ''
let dateSecond = 0

/** The Date field's value, made once a second. */
export function currentDate(): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateText = new Date(second * 1000).toUTCString()
  }
  return dateText
}

/** A response about to be sent; the header filters may change status and fields. */
export interface Response {
  status: number
  reason: string
  headers: MessageHeaders
  /** Length of the content, -1 if not known beforehand. */
  length: number
  /** Nothing follows the head, not even trailers. */
  empty: boolean
  /** True if an upstream made it, false for the gateway's own answers. */
  readonly upstream: boolean
  /** Names the upstream's Connection field asked to drop. */
  readonly drop: readonly string[] | undefined
}

export type BodyFilter = (
  chunk: Buffer | undefined,
  state: { readonly last: boolean; readonly trailers?: FieldTable | undefined },
) => Buffer | undefined

/** Where an exchange writes its response: an HTTP/1.1 connection or an HTTP/2 stream. */
export interface ResponseSink {
  readonly untilClose: boolean
  bytes: number
  blocked: boolean
  head(
    response: Response,
    options: { readonly method: string; readonly keepAlive: boolean; readonly server: string },
  ): void
  /** An interim response, in HTTP/1.1 form. */
  raw(text: string): void
  /** Bytes start..end of the buffer; if `blocked` then, the caller leaves them as they are until the client drains. */
  content(buffer: Buffer, start: number, end: number): void
  end(trailers: FieldTable | undefined): void
  flush(): void
}

/** The field lines of a response, without those its framing decides. */
export function responseFields(response: Response): string {
  return response.headers.serialize(RESPONSE_SKIP, response.drop, OWN_RESPONSE_EDITS)
}

/** Frames one response onto the transport, gathering head and small pieces into one write. */
export class ResponseWriter implements ResponseSink {
  readonly #transport: Transport
  readonly #minor: number
  #text = ''
  #chunked = false
  #bodyless = false
  bytes = 0
  blocked = false
  /** The content ends with the connection (HTTP/1.0 client, unknown length). */
  untilClose = false

  constructor(transport: Transport, minor: number) {
    this.#transport = transport
    this.#minor = minor
  }

  head(
    response: Response,
    options: { readonly method: string; readonly keepAlive: boolean; readonly server: string },
  ): void {
    const { status, headers, length } = response
    const withoutContent = status === 204 || status === 304 || status < 200
    this.#bodyless = withoutContent || options.method === 'HEAD'
    let text = `HTTP/1.1 ${status} ${response.reason === '' ? reasonPhrase(status) : response.reason}\r\n`
    if (headers.table === undefined || headers.table.find(Field.date) === -1)
      text += `Date: ${currentDate()}\r\n`
    text += responseFields(response)
    text += `Server: ${headers.editedValue('server') ?? options.server}\r\n`
    if (length >= 0 && status !== 204 && status >= 200) text += `Content-Length: ${length}\r\n`
    else if (!this.#bodyless) {
      this.#chunked = this.#minor === 1
      this.untilClose = !this.#chunked
      if (this.#chunked) text += 'Transfer-Encoding: chunked\r\n'
    }
    if (!options.keepAlive || this.untilClose) text += 'Connection: close\r\n'
    else if (this.#minor === 0) text += 'Connection: keep-alive\r\n'
    this.#add(`${text}\r\n`)
  }

  /** An interim response (100, 103) or 101: written as given, complete with its blank line. */
  raw(text: string): void {
    this.#add(text)
    this.flush()
  }

  content(buffer: Buffer, start: number, end: number): void {
    const length = end - start
    if (this.#bodyless || length === 0) return
    if (this.#chunked) this.#add(`${length.toString(16)}\r\n`)
    if (length <= INLINE_LIMIT) this.#add(buffer.toString('latin1', start, end))
    else {
      this.#transport.cork()
      this.flush()
      this.bytes += length
      this.#transport.writeHeld(buffer.subarray(start, end))
      this.blocked = !this.#transport.uncork()
    }
    if (this.#chunked) this.#add('\r\n')
  }

  end(trailers: FieldTable | undefined): void {
    if (this.#chunked && !this.#bodyless) this.#add(`0\r\n${trailerLines(trailers)}\r\n`)
    this.flush()
  }

  #add(text: string): void {
    if (this.#text.length + text.length > TEXT_LIMIT) this.flush()
    this.#text += text
  }

  /** Sends what was gathered. The caller flushes when it has handled everything that had arrived. */
  flush(): void {
    if (this.#text === '') return
    this.bytes += this.#text.length
    this.blocked = !this.#transport.write(this.#text)
    this.#text = ''
  }
}

const FORBIDDEN_TRAILERS =
  /^(content-|transfer-|host$|connection$|te$|trailer$|upgrade$|x-forwarded-|x-real-ip$|authorization$|cookie$|set-cookie$|expect$|age$|cache-|date$|location$|vary$|www-)/

/** Trailer fields worth passing on: never ones that frame, route or authenticate (RFC 9110 §6.5.1). */
export function trailerLines(trailers: FieldTable | undefined): string {
  if (trailers === undefined) return ''
  let text = ''
  for (let index = 0; index < trailers.count; index++) {
    const name = trailers.name(index)
    if (!FORBIDDEN_TRAILERS.test(name.toLowerCase())) text += `${name}: ${trailers.value(index)}\r\n`
  }
  return text
}

/** A response of the gateway's own making. */
export function ownResponse(status: number, length: number): Response {
  return {
    status,
    reason: '',
    headers: new MessageHeaders(),
    length,
    empty: length === 0,
    upstream: false,
    drop: undefined,
  }
}
