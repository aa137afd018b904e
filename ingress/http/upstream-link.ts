import type { FieldTable } from './fields.ts'
import type { BreakKind } from './forward-plan.ts'
import type { Framing } from './framing.ts'
import type { ResponseHead } from './head.ts'
import type { Transport } from './transport.ts'

/** The exchange that currently uses an upstream connection. */
export interface UpstreamUser {
  readonly method: string
  /** 1xx other than 101. */
  onInterim(head: ResponseHead): void
  /** 101: the connection now belongs to the user; `rest` is what followed the head. */
  onSwitch(head: ResponseHead, rest: Buffer): void
  onHead(head: ResponseHead, framing: Framing): void
  onContent(buffer: Buffer, start: number, end: number): void
  onResponseEnd(trailers: FieldTable | undefined): void
  /** Everything that had arrived is handled: send on what was gathered. */
  onBatchEnd(): void
  onWritable(): void
  /** The connection ended or broke before the response was complete. */
  onBroken(reason: BreakKind, error: Error | undefined): void
}

/** Where a connection idles. */
export interface IdlePlace {
  remove(link: UpstreamLink): void
}

/** What carries one request at a time to a server: an HTTP/1.1 connection, or a stream of an HTTP/2 connection. */
export interface UpstreamLink {
  readonly key: string
  readonly transport: Transport
  deadline: number
  readonly closed: boolean
  readonly requests: number
  /** It may carry another request. */
  readonly reusable: boolean
  /** Set by the pool while it idles there. */
  idleIn: IdlePlace | undefined
  attach(user: UpstreamUser): void
  detach(): void
  /** Something must happen within that time. */
  arm(ms: number): void
  /** Sends a request head, given in HTTP/1.1 form. */
  begin(head: string, options: { readonly body: boolean }): void
  /** Sends a piece of body; false asks to wait for `onWritable`. */
  content(chunk: Buffer, options: { readonly chunked: boolean; readonly corked: boolean }): boolean
  endBody(options: { readonly chunked: boolean; readonly trailers: FieldTable | undefined }): void
  destroy(): void
}
