import { closeSync, fstatSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs'

/**
 * Like writeFileSync, but in place: a file that is truncated to nothing and written anew is sent to the disk at once by
 * ext4 (auto_da_alloc), which takes a millisecond or more.
 */
export function overwrite(path: string, text: string): void {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    writeFileSync(path, text, { mode: 0o600 })
    return
  }
  try {
    const length = writeSync(descriptor, text)
    if (fstatSync(descriptor).size > length) ftruncateSync(descriptor, length)
  } finally {
    closeSync(descriptor)
  }
}
