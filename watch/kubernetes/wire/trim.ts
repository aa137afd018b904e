import type { ByteScratch } from '../../compact/byte-scratch.ts'
import type { Message } from './message.ts'
import type { ProtobufReader } from './protobuf-reader.ts'

/**
 * Copies the field whose tag was just read (from `start`) if `message` knows it, without what is not known inside; else passes
 * it. So two objects that differ only in what nobody reads become the same bytes. False if it is too long for that.
 */
export function trimField(
  message: Message,
  reader: ProtobufReader,
  start: number,
  tag: number,
  scratch: ByteScratch,
): boolean {
  const type = message.byNumber[tag >>> 3]?.type
  if (type === undefined) {
    reader.skip(tag & 7)
    return true
  }
  const inner =
    typeof type !== 'object'
      ? undefined
      : 'list' in type
        ? type.list
        : 'message' in type
          ? type.message
          : type.inline
  if (inner === undefined || inner === 'text') {
    reader.skip(tag & 7)
    scratch.copy(reader.bytes, start, reader.position)
    return true
  }
  scratch.copy(reader.bytes, start, reader.position)
  // The length in two bytes: what it will be is not known yet.
  const lengthAt = scratch.length
  scratch.push(0)
  scratch.push(0)
  const outer = reader.enter()
  while (reader.position < reader.end) {
    const begin = reader.position
    if (!trimField(inner, reader, begin, reader.varint(), scratch)) return false
  }
  reader.leave(outer)
  const length = scratch.length - lengthAt - 2
  scratch.bytes[lengthAt] = (length & 0x7f) | 0x80
  scratch.bytes[lengthAt + 1] = length >>> 7
  return length < 1 << 14
}
