/** A hash of bytes whose low bits are as good as its high ones. */
export function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = end - start
  for (let index = start; index < end; index++) hash = (Math.imul(hash, 31) + (bytes[index] ?? 0)) | 0
  return hash ^ (hash >>> 13)
}

/** Whether a string has exactly these bytes as its characters. */
export function sameBytes(text: string, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false
  }
  return true
}
