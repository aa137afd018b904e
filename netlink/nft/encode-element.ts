import type { MessageWriter } from '../codec/writer.ts'
import { NFT_SET_ELEM_INTERVAL_END } from './constants.ts'
import { writeVerdict } from './expressions.ts'
import type { NftElement } from './types.ts'
import { commentUserdata } from './userdata.ts'

/** Writes one element of an element list; with `add` its data and settings, too. */
export function writeElement(w: MessageWriter, element: NftElement, options: { add: boolean }): void {
  const item = w.nest(1)
  const key = w.nest(1)
  w.attrBytes(1, element.key)
  w.endNest(key)
  if (element.keyEnd !== undefined) {
    const end = w.nest(10)
    w.attrBytes(1, element.keyEnd)
    w.endNest(end)
  }
  if (options.add) writeSettings(w, element)
  w.endNest(item)
}

function writeSettings(w: MessageWriter, element: NftElement): void {
  const { data, timeoutMs, comment } = element
  if (data !== undefined) {
    const nest = w.nest(2)
    if (data instanceof Uint8Array) w.attrBytes(1, data)
    else writeVerdict(w, data)
    w.endNest(nest)
  }
  if (timeoutMs !== undefined) w.attrU64Be(4, timeoutMs)
  if (comment !== undefined) w.attrBytes(6, commentUserdata(comment))
}

/**
 * Writes one element of a set of plain ranges: a start, and an end which is the first key beyond the range. An element
 * without `keyEnd` stands for its one key; a range up to the highest key has no end.
 */
export function writeRange(w: MessageWriter, element: NftElement, options: { add: boolean }): void {
  const item = w.nest(1)
  const key = w.nest(1)
  w.attrBytes(1, element.key)
  w.endNest(key)
  if (options.add) writeSettings(w, element)
  w.endNest(item)
  const beyond = successor(element.keyEnd ?? element.key)
  if (beyond === undefined) return
  const end = w.nest(1)
  const endKey = w.nest(1)
  w.attrBytes(1, beyond)
  w.endNest(endKey)
  w.attrU32Be(3, NFT_SET_ELEM_INTERVAL_END)
  w.endNest(end)
}

/** How many elements of the list one range takes. */
export function rangeWidth(element: NftElement): number {
  return successor(element.keyEnd ?? element.key) === undefined ? 1 : 2
}

/** The next key in network order; undefined after the highest. */
export function successor(key: Uint8Array): Uint8Array | undefined {
  const next = key.slice()
  for (let i = next.length - 1; i >= 0; i -= 1) {
    const byte = ((next[i] ?? 0) + 1) & 0xff
    next[i] = byte
    if (byte !== 0) return next
  }
  return undefined
}

/** The key before one, in network order. */
export function predecessor(key: Uint8Array): Uint8Array {
  const previous = key.slice()
  for (let i = previous.length - 1; i >= 0; i -= 1) {
    const byte = previous[i] ?? 0
    previous[i] = (byte - 1) & 0xff
    if (byte !== 0) break
  }
  return previous
}
