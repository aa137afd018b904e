import { lstatSync, readFileSync } from 'node:fs'

/** True if `path` is a regular file with the content of `original`. */
export function isSame(path: string, original: string): boolean {
  try {
    const [one, other] = [lstatSync(path), lstatSync(original)]
    return one.isFile() && one.size === other.size && readFileSync(path).equals(readFileSync(original))
  } catch {
    return false
  }
}
