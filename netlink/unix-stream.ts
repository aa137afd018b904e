import * as ffi from './ffi.ts'

const MSG_NOSIGNAL = 0x4000

/** What lies ready on a connected socket, without waiting: bytes read, 0 at the end, undefined if nothing does. */
export function receiveNow(fd: number, buffer: Uint8Array): number | undefined {
  const length = ffi.recv(fd, buffer, ffi.MSG_DONTWAIT)
  return length < 0 ? undefined : length
}

/** Writes what a connected socket takes without waiting: bytes written, 0 if it takes none or is closed. */
export function sendNow(fd: number, bytes: Uint8Array): number {
  return Math.max(0, ffi.send(fd, bytes, bytes.length, ffi.MSG_DONTWAIT | MSG_NOSIGNAL))
}
