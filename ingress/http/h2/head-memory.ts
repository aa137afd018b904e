import type { FieldTable } from '../fields.ts'

const ROOM = 2048
const LARGEST_KEPT = 8192

/** A head in HTTP/1.1 form as bytes, which lie where the last one of the same table lay if there is room. */
export function headBytes(table: FieldTable, text: string): Buffer {
  const size = text.length
  const room = table.buffer.length >= size ? table.buffer : Buffer.allocUnsafeSlow(Math.max(ROOM, size))
  room.write(text, 0, 'latin1')
  return room
}

/** Keeps a table for the next head, with its memory; what is read of it until then is still there. */
export function keepHead<T extends FieldTable>(free: T[], table: T): void {
  if (table.buffer.length <= LARGEST_KEPT) free.push(table)
}
