import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'

/**
 * Like writeFileSync, but in place: a file that is truncated to nothing and written anew is sent to the disk at once by
 * ext4 (auto_da_alloc), which takes a millisecond or more.
 */
export function overwrite(path: string, text: string): void {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    const length = writeSync(descriptor, text)
    if (fstatSync(descriptor).size > length) ftruncateSync(descriptor, length)
  } finally {
    closeSync(descriptor)
  }
}
