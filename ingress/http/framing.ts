import type { BodyKind } from './body.ts'
import { HOST } from './chars.ts'
import { Field, type FieldTable } from './fields.ts'
import type { HeadFault, RequestHead, ResponseHead } from './head.ts'

/** What the fields of a head mean for the connection and the body that follows. One object is reused per connection. */
export interface Framing {
  body: BodyKind
  length: number
  keepAlive: boolean
  /** The Connection field names options beyond close and keep-alive, or names fields to drop. */
  options: string[] | undefined
  upgrade: boolean
  expectContinue: boolean
  hostIndex: number
}

export function emptyFraming(): Framing {
  return {
    body: 'none',
    length: 0,
    keepAlive: true,
    options: undefined,
    upgrade: false,
    expectContinue: false,
    hostIndex: -1,
  }
}

const MAX_LENGTH_DIGITS = 15

/** 1*DIGIT, nothing else (no sign, list, blank): RFC 9112 §6.3 and the smuggling class "differing Content-Length". */
export function contentLength(table: FieldTable, index: number): number {
  const start = table.valueStart(index)
  const end = table.valueEnd(index)
  if (end === start || end - start > MAX_LENGTH_DIGITS) return -1
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (table.buffer[at] as number) - 0x30
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

function readConnection(table: FieldTable, index: number, framing: Framing): void {
  if (table.valueIs(index, 'keep-alive')) {
    framing.keepAlive = true
    return
  }
  if (table.valueIs(index, 'close')) {
    framing.keepAlive = false
    return
  }
  for (const part of table.value(index).split(',')) {
    const option = part.trim().toLowerCase()
    if (option === '') continue
    if (option === 'close') framing.keepAlive = false
    else if (option === 'keep-alive') framing.keepAlive = true
    else (framing.options ??= []).push(option)
  }
}

const DUPLICATE_HOST: HeadFault = { status: 400, reason: 'more than one Host field' }
const BAD_HOST: HeadFault = { status: 400, reason: 'invalid Host field' }
const NO_HOST: HeadFault = { status: 400, reason: 'no Host field' }
const DUPLICATE_LENGTH: HeadFault = { status: 400, reason: 'more than one Content-Length field' }
const BAD_LENGTH: HeadFault = { status: 400, reason: 'invalid Content-Length' }
const BOTH: HeadFault = { status: 400, reason: 'both Content-Length and Transfer-Encoding' }
const BAD_ENCODING: HeadFault = { status: 400, reason: 'invalid Transfer-Encoding' }
const OTHER_ENCODING: HeadFault = { status: 501, reason: 'Transfer-Encoding not implemented' }
const BAD_EXPECT: HeadFault = { status: 417, reason: 'unknown expectation' }

/**
 * Decides body and connection of a request; the fault if it must be refused. RFC 9112 §6.1 allows repairing some of
 * these; we refuse every one, because each repair is a way to be read differently by the server behind us.
 */
export function frameRequest(head: RequestHead, framing: Framing): HeadFault | undefined {
  let length = -1
  let encoding = false
  framing.body = 'none'
  framing.length = 0
  framing.keepAlive = head.minor === 1
  framing.options = undefined
  framing.upgrade = false
  framing.expectContinue = false
  framing.hostIndex = -1
  for (let index = 0; index < head.count; index++) {
    switch (head.id(index)) {
      case Field.host:
        if (framing.hostIndex !== -1) return DUPLICATE_HOST
        framing.hostIndex = index
        for (let at = head.valueStart(index); at < head.valueEnd(index); at++) {
          if (HOST[head.buffer[at] as number] !== 1) return BAD_HOST
        }
        break
      case Field.contentLength:
        if (length !== -1) return DUPLICATE_LENGTH
        length = contentLength(head, index)
        if (length === -1) return BAD_LENGTH
        break
      case Field.transferEncoding:
        if (encoding || head.minor === 0) return BAD_ENCODING
        encoding = true
        if (!head.valueIs(index, 'chunked')) {
          return /^[a-z, -]+$/i.test(head.value(index)) && !/chunked/i.test(head.value(index))
            ? OTHER_ENCODING
            : BAD_ENCODING
        }
        break
      case Field.connection:
        readConnection(head, index, framing)
        break
      case Field.upgrade:
        framing.upgrade = true
        break
      case Field.expect:
        if (!head.valueIs(index, '100-continue')) return BAD_EXPECT
        framing.expectContinue = head.minor === 1
        break
    }
  }
  if (framing.hostIndex === -1 && head.minor === 1) return NO_HOST
  if (encoding && length !== -1) return BOTH
  framing.upgrade &&=
    head.minor === 1 && (framing.options as string[] | undefined)?.includes('upgrade') === true
  if (encoding) framing.body = 'chunked'
  else if (length > 0) {
    framing.body = 'length'
    framing.length = length
  }
  return undefined
}

/** Decides body and reuse of an upstream's response; false if it is not to be trusted (answered 502). RFC 9112 §6.3. */
export function frameResponse(head: ResponseHead, method: string, framing: Framing): boolean {
  let length = -1
  let chunked = false
  framing.body = 'none'
  framing.length = -1
  framing.keepAlive = head.minor === 1
  framing.options = undefined
  for (let index = 0; index < head.count; index++) {
    switch (head.id(index)) {
      case Field.contentLength:
        if (length !== -1) return false
        length = contentLength(head, index)
        if (length === -1) return false
        break
      case Field.transferEncoding:
        if (chunked || !head.valueIs(index, 'chunked')) return false
        chunked = true
        break
      case Field.connection:
        readConnection(head, index, framing)
        break
    }
  }
  if (chunked && (length !== -1 || head.minor === 0)) return false
  framing.length = length
  if (method === 'HEAD' || head.status < 200 || head.status === 204 || head.status === 304) return true
  if (chunked) framing.body = 'chunked'
  else if (length === -1) {
    framing.body = 'close'
    framing.keepAlive = false
  } else if (length > 0) framing.body = 'length'
  return true
}
