import { attributesOf, type Message, readU16 } from '../codec/reader.ts'
import { NFGENMSG } from './constants.ts'

/**
 * An element of a dump with its bytes as latin1 strings, which compare and hash faster than arrays and take part in Maps as
 * they are. For sets of 10^5 elements that are compared with what they should hold.
 */
export interface PackedElement {
  readonly key: string
  /** '' if the set is none of ranges */
  readonly keyEnd: string
  /** '' for plain sets and for verdicts */
  readonly data: string
  /** of a verdict: `goto CHAIN`, `jump CHAIN`, or the verdict's number */
  readonly verdict: string
  readonly comment: string
}

const EMPTY: PackedElement = { key: '', keyEnd: '', data: '', verdict: '', comment: '' }
const JUMPS = new Map([
  [-3, 'jump'],
  [-4, 'goto'],
])

/** Calls `visit` for each element of one message of a NFT_MSG_GETSETELEM dump. */
export function decodePacked(message: Message, visit: (element: PackedElement) => void): void {
  const list = attributesOf(message, NFGENMSG).bytes(3)
  if (list === undefined) return
  const buffer = Buffer.from(list.buffer, list.byteOffset, list.byteLength)
  let at = 0
  while (buffer.length - at >= 4) {
    const end = at + readU16(buffer, at)
    visit(decodeElement(buffer, at + 4, end))
    at = (end + 3) & ~3
  }
}

function decodeElement(buffer: Buffer, start: number, end: number): PackedElement {
  const element = { ...EMPTY }
  for (let at = start; end - at >= 4; ) {
    const next = at + readU16(buffer, at)
    switch (readU16(buffer, at + 2) & 0x3fff) {
      case 1:
        element.key = bytesOf(buffer, at, next)
        break
      case 2:
        // NFTA_DATA_VALUE or NFTA_DATA_VERDICT within
        if ((readU16(buffer, at + 6) & 0x3fff) === 1) element.data = bytesOf(buffer, at, next)
        else element.verdict = verdictOf(buffer, at + 8, next)
        break
      case 6:
        element.comment = commentOf(buffer, at + 4, next)
        break
      case 10:
        element.keyEnd = bytesOf(buffer, at, next)
        break
    }
    at = (next + 3) & ~3
  }
  return element
}

/** The bytes of NFTA_DATA_VALUE, the one attribute within. */
function bytesOf(buffer: Buffer, at: number, end: number): string {
  return buffer.toString('latin1', at + 8, Math.min(end, at + 4 + readU16(buffer, at + 4)))
}

function verdictOf(buffer: Buffer, start: number, end: number): string {
  let code = 0
  let chain = ''
  for (let at = start; end - at >= 4; ) {
    const next = at + readU16(buffer, at)
    const type = readU16(buffer, at + 2) & 0x3fff
    if (type === 1) code = buffer.readInt32BE(at + 4)
    else if (type === 2) chain = buffer.toString('latin1', at + 4, next - 1)
    at = (next + 3) & ~3
  }
  const word = JUMPS.get(code)
  return word === undefined ? String(code) : `${word} ${chain}`
}

/** Userdata: type, length, value; type 0 is the comment with its NUL. */
function commentOf(buffer: Buffer, start: number, end: number): string {
  for (let at = start; end - at >= 2; at += 2 + (buffer[at + 1] ?? 0)) {
    if (buffer[at] === 0) return buffer.toString('utf8', at + 2, at + 1 + (buffer[at + 1] ?? 1))
  }
  return ''
}
