import { attributesOf, type Message, readU16 } from '../codec/reader.ts'
import { NetlinkFormatError } from '../errors.ts'
import { NFGENMSG, NFT_SET_ELEM_INTERVAL_END, VERDICTS } from './constants.ts'
import { predecessor } from './encode-element.ts'
import type { NftElement, NftVerdict } from './types.ts'
import { readComment } from './userdata.ts'

/** An element as it is on the wire: in sets of plain ranges an end is an element of its own. */
interface WireElement extends NftElement {
  readonly intervalEnd: boolean
}

/** Offset and length of the payload of one attribute. */
interface Span {
  at: number
  end: number
}

const VERDICT_NAMES = new Map<number, keyof typeof VERDICTS>(
  (Object.keys(VERDICTS) as (keyof typeof VERDICTS)[]).map((name) => [VERDICTS[name], name]),
)

/**
 * Appends the elements of one message of a NFT_MSG_GETSETELEM dump. Dumps of 10^5 elements pass through here, so the
 * bytes are walked directly, with no index of attributes per element.
 */
export function decodeElements(message: Message, into: WireElement[]): void {
  const list = attributesOf(message, NFGENMSG).bytes(3)
  if (list === undefined) return
  forEach(list, { at: 0, end: list.length }, (_type, item) => {
    into.push(decodeElement(list, item))
  })
}

function forEach(bytes: Uint8Array, span: Span, visit: (type: number, payload: Span) => void): void {
  let { at } = span
  while (span.end - at >= 4) {
    const length = readU16(bytes, at)
    if (length < 4 || at + length > span.end) {
      throw new NetlinkFormatError(`element attribute at ${at} claims ${length} of ${span.end - at} bytes`)
    }
    visit(readU16(bytes, at + 2) & 0x3fff, { at: at + 4, end: at + length })
    at += (length + 3) & ~3
  }
}

function decodeElement(bytes: Uint8Array, item: Span): WireElement {
  let key: Uint8Array | undefined
  let keyEnd: Uint8Array | undefined
  let data: Uint8Array | NftVerdict | undefined
  let flags = 0
  let timeoutMs: number | undefined
  let expiresMs: number | undefined
  let comment: string | undefined
  forEach(bytes, item, (type, span) => {
    switch (type) {
      case 1:
        key = decodeData(bytes, span).value
        break
      case 2: {
        const decoded = decodeData(bytes, span)
        data = decoded.value ?? decoded.verdict
        break
      }
      case 3:
        flags = beNumber(bytes, span, 4)
        break
      case 4:
        timeoutMs = beNumber(bytes, span, 8)
        break
      case 5:
        expiresMs = beNumber(bytes, span, 8)
        break
      case 6:
        comment = readComment(bytes.subarray(span.at, span.end))
        break
      case 10:
        keyEnd = decodeData(bytes, span).value
        break
    }
  })
  if (key === undefined) throw new NetlinkFormatError('an element without a key')
  const element: { -readonly [K in keyof WireElement]: WireElement[K] } = {
    key,
    intervalEnd: (flags & NFT_SET_ELEM_INTERVAL_END) !== 0,
  }
  if (keyEnd !== undefined) element.keyEnd = keyEnd
  if (data !== undefined) element.data = data
  if (timeoutMs !== undefined) element.timeoutMs = timeoutMs
  if (expiresMs !== undefined) element.expiresMs = expiresMs
  if (comment !== undefined) element.comment = comment
  return element
}

function decodeData(bytes: Uint8Array, span: Span): { value?: Uint8Array; verdict?: NftVerdict } {
  const out: { value?: Uint8Array; verdict?: NftVerdict } = {}
  forEach(bytes, span, (type, payload) => {
    if (type === 1) out.value = bytes.slice(payload.at, payload.end)
    else if (type === 2) out.verdict = decodeVerdict(bytes, payload)
  })
  return out
}

function decodeVerdict(bytes: Uint8Array, span: Span): NftVerdict {
  let code = 0
  let chain = ''
  forEach(bytes, span, (type, payload) => {
    if (type === 1) code = beNumber(bytes, payload, 4) | 0
    else if (type === 2)
      chain = Buffer.from(bytes.subarray(payload.at, payload.end)).toString().replace(/\0.*$/s, '')
  })
  const verdict = VERDICT_NAMES.get(code)
  if (verdict === undefined) throw new NetlinkFormatError(`verdict code ${code}`)
  return verdict === 'jump' || verdict === 'goto' ? { verdict, chain } : { verdict }
}

function beNumber(bytes: Uint8Array, span: Span, size: number): number {
  if (span.end - span.at < size)
    throw new NetlinkFormatError(`${span.end - span.at} bytes instead of ${size}`)
  let value = 0
  for (let i = 0; i < size; i += 1) value = value * 256 + (bytes[span.at + i] ?? 0)
  return value
}

/** The elements of a dump: starts and ends of plain ranges become ranges. */
export function joinRanges(wire: readonly WireElement[], options: { pairs: boolean }): NftElement[] {
  if (!options.pairs) return wire.map(({ intervalEnd: _, ...element }) => element)
  // The kernel lists such sets downwards, upwards in older versions: sort by key, ends before starts.
  const sorted = [...wire].sort(
    (a, b) => Buffer.compare(a.key, b.key) || Number(b.intervalEnd) - Number(a.intervalEnd),
  )
  const ranges: NftElement[] = []
  let open: NftElement | undefined
  const close = (end: Uint8Array): void => {
    if (open === undefined) return
    ranges.push({ ...open, keyEnd: end })
    open = undefined
  }
  for (const { intervalEnd, ...element } of sorted) {
    if (open !== undefined) close(predecessor(element.key))
    if (!intervalEnd) open = element
  }
  if (open !== undefined) close(new Uint8Array(open.key.length).fill(0xff))
  return ranges
}

export type { WireElement }
