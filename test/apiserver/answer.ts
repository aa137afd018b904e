import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Misbehaviour } from './faults.ts'
import { writeEvent, writeList, writeObject } from './protobuf-writer.ts'
import type { RawObject } from './selectors.ts'

export type AnyRequest = IncomingMessage | Http2ServerRequest
export type AnyResponse = ServerResponse | Http2ServerResponse

/** What both kinds of response have in common and TypeScript cannot see through their overloads. */
type PlainResponse = Pick<ServerResponse, 'on' | 'write' | 'end' | 'flushHeaders' | 'socket'> & {
  writeHead(status: number, headers: Record<string, string>): unknown
}

/** One answer in the encoding the client asked for, with the misbehaviour that was ordered for it. */
export class Answer {
  readonly #response: PlainResponse
  readonly #protobuf: boolean
  readonly #act: Misbehaviour | undefined
  readonly #onClose: (() => void)[] = []
  #written = 0
  #open = true

  constructor(response: AnyResponse, options: { protobuf: boolean; act: Misbehaviour | undefined }) {
    this.#response = response as PlainResponse
    this.#protobuf = options.protobuf
    this.#act = options.act
    this.#response.on('error', () => {})
    this.#response.on('close', () => {
      this.#open = false
      for (const callback of this.#onClose) callback()
    })
  }

  onClose(callback: () => void): void {
    this.#onClose.push(callback)
  }

  /** Begins the answer to a watch. */
  stream(): void {
    const type = this.#protobuf ? 'application/vnd.kubernetes.protobuf;stream=watch' : 'application/json'
    this.#response.writeHead(200, { 'content-type': type })
    this.#response.flushHeaders()
  }

  event(type: string, object: RawObject | Readonly<Record<string, unknown>>): void {
    this.#write(
      this.#protobuf ? writeEvent(type, object) : Buffer.from(`${JSON.stringify({ type, object })}\n`),
    )
  }

  object(
    status: number,
    object: Readonly<Record<string, unknown>>,
    headers: Record<string, string> = {},
  ): void {
    const protobuf = this.#protobuf && status < 300
    this.#head(status, protobuf, headers)
    void this.#body(protobuf ? writeObject(object) : Buffer.from(JSON.stringify(object)))
  }

  list(list: { apiVersion: string; kind: string; metadata: object; items: readonly RawObject[] }): void {
    this.#head(200, this.#protobuf, {})
    const body = this.#protobuf
      ? writeList({ ...list, metadata: list.metadata as Record<string, unknown> })
      : Buffer.from(JSON.stringify(list))
    void this.#body(body)
  }

  status(code: number, reason: string, message: string, retryAfter?: number): void {
    const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }
    const status = {
      apiVersion: 'v1',
      kind: 'Status',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      code,
    }
    this.object(code, status, headers)
  }

  end(): void {
    if (this.#open) this.#response.end()
  }

  /** Breaks the stream off. */
  cut(): void {
    const { stream } = this.#response as { stream?: Http2ServerResponse['stream'] }
    if (stream === undefined) this.#response.socket?.destroy()
    else stream.close(2)
  }

  #head(status: number, protobuf: boolean, headers: Record<string, string>): void {
    const type = protobuf ? 'application/vnd.kubernetes.protobuf' : 'application/json'
    this.#response.writeHead(status, { 'content-type': type, ...headers })
  }

  async #body(bytes: Buffer): Promise<void> {
    if (this.#act !== undefined && 'pieces' in this.#act) {
      for (let start = 0; start < bytes.length && this.#open; start += this.#act.pieces) {
        this.#write(bytes.subarray(start, start + this.#act.pieces))
        await sleep(this.#act.everyMs)
      }
    } else this.#write(bytes)
    this.end()
  }

  #write(bytes: Buffer): void {
    if (!this.#open) return
    const act = this.#act
    if (act !== undefined && 'cutAfter' in act && this.#written + bytes.length > act.cutAfter) {
      this.#response.write(bytes.subarray(0, Math.max(0, act.cutAfter - this.#written)))
      this.#open = false
      setImmediate(() => this.cut())
      return
    }
    this.#written += bytes.length
    this.#response.write(bytes)
  }
}
