const ROOM = 4096
const MOST_FREE = 1024
const free: Buffer[] = []

/**
 * Copies bytes start..end, a message head, out of a buffer that is read into again; they keep their offsets. The memory is
 * used again once `freeRoom` is told, so that heads cost no allocation while requests come and go.
 */
export function takeRoom(buffer: Buffer, start: number, end: number): Buffer {
  const room = end > ROOM ? Buffer.allocUnsafe(end) : (free.pop() ?? Buffer.allocUnsafeSlow(ROOM))
  buffer.copy(room, start, start, end)
  return room
}

/** Nobody reads the head any more. */
export function freeRoom(room: Buffer): void {
  if (room.length === ROOM && free.length < MOST_FREE) free.push(room)
}
