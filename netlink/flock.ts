import { NetlinkError } from './errors.ts'
import * as ffi from './ffi.ts'

const LOCK_EX = 2
const LOCK_NB = 4
const EINTR = 4
const EWOULDBLOCK = 11

/**
 * Takes the exclusive flock(2) lock on an open file without waiting: false while somebody else has it.
 * Closing the descriptor gives it back, as does the end of the process.
 */
export function tryFlock(fd: number): boolean {
  for (;;) {
    if (ffi.flock(fd, LOCK_EX | LOCK_NB) === 0) return true
    const errno = ffi.errno()
    if (errno === EWOULDBLOCK) return false
    if (errno !== EINTR) throw new NetlinkError({ errno, request: 'flock LOCK_EX' })
  }
}
