import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { FieldTable } from '../fields.ts'
import { currentDate, type Response, type ResponseSink, responseFields } from '../response-writer.ts'

function headerMap(lines: string): OutgoingHttpHeaders {
  const fields: OutgoingHttpHeaders = {}
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon === -1) continue
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = fields[name]
    fields[name] = before === undefined ? value : [before, value].flat().map(String)
  }
  return fields
}

/** Sends one response on an HTTP/2 stream. */
export class H2Writer implements ResponseSink {
  readonly untilClose = false
  bytes = 0
  blocked = false
  readonly #stream: ServerHttp2Stream
  #trailers: OutgoingHttpHeaders = {}

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
    this.#stream.respond({ ':status': status, ...fields }, { waitForTrailers: true })
    this.#stream.on('wantTrailers', () => {
      if (!this.#gone) this.#stream.sendTrailers(this.#trailers)
    })
  }

  get #gone(): boolean {
    return this.#stream.destroyed || this.#stream.closed
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
    for (let index = 0; index < (trailers?.count ?? 0); index++) {
      const name = trailers?.name(index).toLowerCase() ?? ''
      this.#trailers[name] = trailers?.value(index) ?? ''
    }
    this.blocked = false
    this.#stream.end()
  }
}
