import { CR, LF, SP, TARGET, TOKEN } from './chars.ts'
import { FieldTable, INCOMPLETE, MALFORMED, TOO_MANY } from './fields.ts'

export { INCOMPLETE }

const METHODS = [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'CONNECT',
  'TRACE',
  'PURGE',
] as const
const METHOD_BYTES = METHODS.map((name) => ({ name, bytes: Buffer.from(name) }))
const LONGEST_METHOD = 32

/** Why a head was refused: the status to answer and a short reason for the log. */
export interface HeadFault {
  readonly status: number
  readonly reason: string
}

const VERSION = Buffer.from('HTTP/1.')

/** A request head: the request line and the field table, all as offsets into `buffer`. */
export class RequestHead extends FieldTable {
  method = ''
  /** 0 for HTTP/1.0, 1 for HTTP/1.1. */
  minor = 1
  targetStart = 0
  targetEnd = 0
  fault: HeadFault | undefined

  /** The request target exactly as received. */
  get target(): string {
    return this.buffer.toString('latin1', this.targetStart, this.targetEnd)
  }

  /** Parses a head from `pos`: the offset of the body, INCOMPLETE, or MALFORMED with `fault` set. RFC 9112 §2 and §3. */
  parse(buffer: Buffer, pos: number, end: number): number {
    this.fault = undefined
    this.buffer = buffer
    // RFC 9112 §2.2: a server should ignore empty lines before the request line.
    while (pos + 1 < end && buffer[pos] === CR && buffer[pos + 1] === LF) pos += 2
    const methodStart = pos
    while (pos < end && TOKEN[buffer[pos] as number] === 1) pos++
    if (pos - methodStart > LONGEST_METHOD) return this.#refuse(400, 'method too long')
    if (pos >= end || (pos === methodStart && buffer[pos] === CR && pos + 1 >= end)) return INCOMPLETE
    if (buffer[pos] !== SP || pos === methodStart) return this.#refuse(400, 'malformed request line')
    this.method = methodName(buffer, methodStart, pos)
    this.targetStart = ++pos
    while (pos < end && TARGET[buffer[pos] as number] === 1) pos++
    if (pos >= end) return INCOMPLETE
    if (buffer[pos] !== SP || pos === this.targetStart) return this.#refuse(400, 'malformed request target')
    this.targetEnd = pos++
    if (!isTargetForm(this)) return this.#refuse(400, 'unknown form of request target')
    if (pos + 10 > end) {
      return looksLikeVersion(buffer, pos, end) ? INCOMPLETE : this.#refuse(400, 'malformed protocol version')
    }
    if (!looksLikeVersion(buffer, pos, end)) {
      const known = buffer.toString('latin1', pos, pos + 5) === 'HTTP/'
      return known
        ? this.#refuse(505, 'protocol version not supported')
        : this.#refuse(400, 'malformed protocol version')
    }
    const minor = (buffer[pos + 7] as number) - 0x30
    if (minor !== 0 && minor !== 1) return this.#refuse(505, 'protocol version not supported')
    if (buffer[pos + 8] !== CR || buffer[pos + 9] !== LF)
      return this.#refuse(400, 'malformed end of request line')
    this.minor = minor
    const next = this.parseFields(buffer, pos + 10, end)
    if (next === MALFORMED) return this.#refuse(400, 'malformed header field')
    if (next === TOO_MANY) return this.#refuse(431, 'too many header fields')
    return next
  }

  #refuse(status: number, reason: string): number {
    this.fault = { status, reason }
    return MALFORMED
  }
}

/** RFC 9112 §3.2: origin form, absolute form of http(s), authority form of CONNECT, asterisk form. */
function isTargetForm(head: RequestHead): boolean {
  const { buffer, targetStart: start, targetEnd: end } = head
  if (buffer[start] === 0x2f) return true
  if (buffer[start] === 0x2a) return end === start + 1
  return (
    head.method === 'CONNECT' ||
    /^https?:\/\/./i.test(buffer.toString('latin1', start, Math.min(end, start + 9)))
  )
}

function looksLikeVersion(buffer: Buffer, pos: number, end: number): boolean {
  const length = Math.min(VERSION.length, end - pos)
  for (let at = 0; at < length; at++) if (buffer[pos + at] !== VERSION[at]) return false
  return true
}

function methodName(buffer: Buffer, start: number, end: number): string {
  const length = end - start
  next: for (const { name, bytes } of METHOD_BYTES) {
    if (bytes.length !== length) continue
    for (let at = 0; at < length; at++) if (buffer[start + at] !== bytes[at]) continue next
    return name
  }
  return buffer.toString('latin1', start, end)
}

/** By far the most common reason phrase needs no new string. */
function isOk(buffer: Buffer, start: number, end: number): boolean {
  return end - start === 2 && buffer[start] === 0x4f && buffer[start + 1] === 0x4b
}

/** A response head of an upstream. */
export class ResponseHead extends FieldTable {
  status = 0
  minor = 1
  reason = ''

  /** Parses from `pos`: the offset of the body, INCOMPLETE or MALFORMED. RFC 9112 §4; a missing reason is tolerated. */
  parse(buffer: Buffer, pos: number, end: number): number {
    if (!looksLikeVersion(buffer, pos, end)) return MALFORMED
    if (end - pos < 14) return INCOMPLETE
    const minor = (buffer[pos + 7] as number) - 0x30
    if ((minor !== 0 && minor !== 1) || buffer[pos + 8] !== SP) return MALFORMED
    let status = 0
    for (let at = pos + 9; at < pos + 12; at++) {
      const digit = (buffer[at] as number) - 0x30
      if (digit < 0 || digit > 9) return MALFORMED
      status = status * 10 + digit
    }
    if (status < 100 || status > 999) return MALFORMED
    pos += 12
    const reasonStart = buffer[pos] === SP ? pos + 1 : pos
    if (buffer[pos] !== SP && buffer[pos] !== CR) return MALFORMED
    pos = reasonStart
    while (pos < end && (buffer[pos] as number) >= 0x20 && buffer[pos] !== 0x7f) pos++
    if (pos + 1 >= end) return pos < end && buffer[pos] !== CR ? MALFORMED : INCOMPLETE
    if (buffer[pos] !== CR || buffer[pos + 1] !== LF) return MALFORMED
    this.status = status
    this.minor = minor
    this.reason = isOk(buffer, reasonStart, pos) ? 'OK' : buffer.toString('latin1', reasonStart, pos)
    const next = this.parseFields(buffer, pos + 2, end)
    return next === TOO_MANY ? MALFORMED : next
  }
}
