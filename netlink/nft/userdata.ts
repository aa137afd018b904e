/** The free-form bytes nft keeps with its objects so that `nft list` shows them well: {type u8, length u8, value}. */

import { TYPES } from './constants.ts'
import type { NftType } from './types.ts'

const COMMENT = 0
const SET_KEY_BYTE_ORDER = 0
const SET_DATA_BYTE_ORDER = 1
const SET_COMMENT = 7

/** The kernel keeps at most 256 bytes; two are the comment's header, one its final NUL. */
const MAX_COMMENT = 240

/**
 * A comment as it is stored: cut to 240 bytes (at a character's boundary), so that a long object name cannot spoil a
 * batch. Compare with this when diffing against a dump.
 */
export function storedComment(comment: string): string {
  const bytes = Buffer.from(comment.replaceAll('\0', ' '))
  if (bytes.length <= MAX_COMMENT) return bytes.toString()
  let end = MAX_COMMENT
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.toString('utf8', 0, end)
}

function commentEntry(type: number, comment: string): Buffer {
  const text = Buffer.from(`${storedComment(comment)}\0`)
  return Buffer.concat([Buffer.of(type, text.length), text])
}

/** Userdata of tables, chains, rules and elements: only a comment. */
export function commentUserdata(comment: string): Uint8Array {
  return commentEntry(COMMENT, comment)
}

/** Userdata of sets: byte orders of key and data, comment. */
export function setUserdata(set: {
  key: readonly NftType[]
  data?: readonly NftType[] | undefined
  comment?: string | undefined
}): Uint8Array {
  const parts = [byteOrderEntry(SET_KEY_BYTE_ORDER, set.key)]
  if (set.data !== undefined) parts.push(byteOrderEntry(SET_DATA_BYTE_ORDER, set.data))
  if (set.comment !== undefined) parts.push(commentEntry(SET_COMMENT, set.comment))
  return Buffer.concat(parts)
}

function byteOrderEntry(type: number, parts: readonly NftType[]): Buffer {
  const [only] = parts
  const order = parts.length === 1 && only !== undefined ? TYPES[only].byteOrder : 2
  return Buffer.of(type, 4, order, 0, 0, 0)
}

function commentOf(userdata: Uint8Array | undefined, type: number): string | undefined {
  if (userdata === undefined) return undefined
  let at = 0
  while (at + 2 <= userdata.length) {
    const length = userdata[at + 1] ?? 0
    const value = userdata.subarray(at + 2, at + 2 + length)
    if (userdata[at] === type) {
      const nul = value.indexOf(0)
      return Buffer.from(nul < 0 ? value : value.subarray(0, nul)).toString()
    }
    at += 2 + length
  }
  return undefined
}

/** Comment of a table, chain, rule or element. */
export function readComment(userdata: Uint8Array | undefined): string | undefined {
  return commentOf(userdata, COMMENT)
}

/** Comment of a set. */
export function readSetComment(userdata: Uint8Array | undefined): string | undefined {
  return commentOf(userdata, SET_COMMENT)
}
