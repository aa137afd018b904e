import { fieldMask } from './fields.ts'
import type { Framing } from './framing.ts'
import type { ResponseHead } from './head.ts'
import { MessageHeaders } from './message-headers.ts'
import type { Response } from './response-writer.ts'

const NO_FIELDS = fieldMask()
const NO_NAMES: ReadonlySet<string> = new Set()

/** A 1xx of an upstream, as it is passed on. */
export function interimText(head: ResponseHead): string {
  const fields = new MessageHeaders(head).serialize(NO_FIELDS, undefined, NO_NAMES)
  return `HTTP/1.1 ${head.status} ${head.reason}\r\n${fields}\r\n`
}

/** The 101 that turns the connection into a tunnel, Connection and Upgrade included. */
export function switchText({ reason, headers, drop }: Response): string {
  return `HTTP/1.1 101 ${reason}\r\n${headers.serialize(NO_FIELDS, drop, NO_NAMES)}\r\n`
}

/** An upstream's head as the response to be sent. */
export function upstreamResponse(head: ResponseHead, framing: Framing): Response {
  return {
    status: head.status,
    reason: head.reason,
    headers: new MessageHeaders(head),
    length: framing.length,
    empty: framing.body === 'none',
    upstream: true,
    drop: framing.options,
  }
}

/** The 101 of an upstream, without what would frame a body. */
export function switchResponse(head: ResponseHead): Response {
  return {
    status: head.status,
    reason: head.reason,
    headers: new MessageHeaders(head),
    length: -1,
    empty: true,
    upstream: true,
    drop: ['keep-alive', 'transfer-encoding', 'content-length'],
  }
}
