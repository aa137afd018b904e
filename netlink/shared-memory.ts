import { ftruncateSync } from 'node:fs'
import { NetlinkError } from './errors.ts'
import * as ffi from './ffi.ts'

/**
 * Memory that several processes see: a descriptor (memfd_create(2)) to hand on to child processes, which map it with
 * mapSharedMemory. It has no name in the file system and goes with the last process that has it. Pages cost memory once
 * they are written to.
 */
export function createSharedMemory(name: string, bytes: number): number {
  const fd = ffi.memfdCreate(name, 0)
  if (fd === -1) throw new NetlinkError({ errno: ffi.errno(), request: `memfd_create ${name}` })
  ftruncateSync(fd, bytes)
  return fd
}

/** Maps the first `bytes` of a descriptor of createSharedMemory. Stays mapped as long as the process lives. */
export function mapSharedMemory(fd: number, bytes: number): ArrayBuffer {
  const memory = ffi.mapShared(fd, bytes)
  if (memory === undefined) throw new NetlinkError({ errno: ffi.errno(), request: `mmap ${bytes} bytes` })
  return memory
}
