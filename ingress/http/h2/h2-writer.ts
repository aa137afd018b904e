import type { FieldTable } from '../fields.ts'
import {
  currentDate,
  type Response,
  type ResponseSink,
  responseFields,
  trailerLines,
} from '../response-writer.ts'
import { encodeLines } from './head-block.ts'
import { encodeField, encodeStatus } from './hpack-encoder.ts'
import type { StreamSender } from './stream-sender.ts'

/** Sends one response on an HTTP/2 stream. */
export class H2Writer implements ResponseSink {
  readonly untilClose = false
  bytes = 0
  blocked = false
  readonly #sender: StreamSender
  /** The head, until the first content joins it. */
  #block: string | undefined
  #content: Buffer[] = []
  #bodyless = false
  #hasTrailers = false

  constructor(sender: StreamSender) {
    this.#sender = sender
  }

  head(response: Response, options: { readonly method: string; readonly server: string }): void {
    const { status, headers, length } = response
    let block = encodeStatus(status)
    if (!headers.has('date')) block += encodeField('date', currentDate())
    block += encodeLines(responseFields(response))
    block += encodeField('server', headers.editedValue('server') ?? options.server)
    if (length >= 0 && status !== 204 && status >= 200) block += encodeField('content-length', String(length))
    this.#block = block
    this.#bodyless = response.empty || options.method === 'HEAD' || status === 204 || status === 304
    // With a length given, HTTP/1.1 has no trailers.
    this.#hasTrailers = length < 0
  }

  /** An interim response, given in HTTP/1.1 form. */
  raw(text: string): void {
    const status = Number(text.slice(9, 12))
    if (status === 101) return
    const block = encodeStatus(status) + encodeLines(text, text.indexOf('\r\n') + 2)
    this.#sender.message(block, [], { end: false })
  }

  content(buffer: Buffer, start: number, end: number): void {
    if (this.#bodyless || end === start) return
    this.bytes += end - start
    this.#content.push(buffer.subarray(start, end))
  }

  flush(): void {
    this.#send({ end: false })
    this.blocked = this.#sender.waits
  }

  end(trailers: FieldTable | undefined): void {
    if (this.#hasTrailers && !this.#bodyless) this.#sender.setTrailers(encodeLines(trailerLines(trailers)))
    this.#send({ end: true })
    // The stream keeps what the client does not take yet; nobody has to wait for it.
    this.blocked = false
  }

  #send(state: { readonly end: boolean }): void {
    const [block, content] = [this.#block, this.#content]
    if (block === undefined && content.length === 0 && !state.end) return
    this.#block = undefined
    this.#content = []
    if (block === undefined) this.#sender.content(content, state)
    else this.#sender.message(block, content, state)
  }
}
