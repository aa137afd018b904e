import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { FieldTable } from '../fields.ts'
import {
  currentDate,
  type Response,
  type ResponseSink,
  responseFields,
  trailerLines,
} from '../response-writer.ts'
import { headerMap } from './h2-fields.ts'

/** Sends one response on an HTTP/2 stream. */
export class H2Writer implements ResponseSink {
  readonly untilClose = false
  bytes = 0
  blocked = false
  readonly #stream: ServerHttp2Stream
  #trailers: OutgoingHttpHeaders = {}
  #ended = false

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream
  }

  head(response: Response, options: { readonly method: string; readonly server: string }): void {
    if (this.#gone) return
    const { status, headers, length } = response
    const fields = headerMap(responseFields(response))
    fields.server = headers.editedValue('server') ?? options.server
    fields.date ??= currentDate()
    if (length >= 0 && status !== 204 && status >= 200) fields['content-length'] = String(length)
    if (response.empty) {
      // gRPC tells a failure by a head that ends the stream ("trailers only").
      this.#ended = true
      this.#stream.respond({ ':status': status, ...fields }, { endStream: true })
      return
    }
    // With a length given, HTTP/1.1 has no trailers.
    this.#stream.respond({ ':status': status, ...fields }, { waitForTrailers: length < 0 })
    this.#stream.on('wantTrailers', () => {
      if (!this.#gone) this.#stream.sendTrailers(this.#trailers)
    })
  }

  get #gone(): boolean {
    return this.#ended || this.#stream.destroyed || this.#stream.closed
  }

  /** An interim response, given in HTTP/1.1 form. */
  raw(text: string): void {
    const status = Number(text.slice(9, 12))
    if (this.#gone || status === 101) return
    this.#stream.additionalHeaders({
      ':status': status,
      ...headerMap(text.slice(text.indexOf('\r\n') + 2)),
    })
  }

  content(buffer: Buffer, start: number, end: number): void {
    if (this.#gone || end === start) return
    this.bytes += end - start
    // The stream sends when the window allows, so the bytes must not lie in a buffer that is read into again.
    this.blocked = !this.#stream.write(Buffer.from(buffer.subarray(start, end)))
  }

  flush(): void {}

  end(trailers: FieldTable | undefined): void {
    if (this.#gone) return
    this.#trailers = headerMap(trailerLines(trailers))
    this.blocked = false
    this.#stream.end()
  }
}
