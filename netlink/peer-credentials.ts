import { NetlinkError } from './errors.ts'
import * as ffi from './ffi.ts'

const SO_PEERCRED = 17

/** Who is at the other end of a connected unix socket (unix(7), SO_PEERCRED). */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const value = new Uint8Array(12)
  if (ffi.getsockopt(fd, ffi.SOL_SOCKET, SO_PEERCRED, value) !== 0) {
    throw new NetlinkError({ errno: ffi.errno(), request: 'getsockopt SO_PEERCRED' })
  }
  const [pid = 0, uid = 0, gid = 0] = new Int32Array(value.buffer)
  return { pid, uid, gid }
}
