import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const LINE_BYTES = 1024

/** The last line that is not empty of a log file, or '' where there is none; a long one is cut at its start. */
export function lastLine(file: string): string {
  try {
    const descriptor = openSync(file, 'r')
    try {
      const { size } = fstatSync(descriptor)
      const tail = Buffer.alloc(Math.min(size, LINE_BYTES))
      readSync(descriptor, tail, 0, tail.length, size - tail.length)
      return tail.toString('utf8').trimEnd().split('\n').at(-1)?.trim() ?? ''
    } finally {
      closeSync(descriptor)
    }
  } catch {
    // The log is shown as a courtesy; that there is none must not hide how the container ended.
    return ''
  }
}
