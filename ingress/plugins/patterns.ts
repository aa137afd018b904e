/** A sentence if one of the texts is no regular expression. */
export function checkPatterns(list: unknown): string | undefined {
  for (const pattern of Array.isArray(list) ? list : []) {
    try {
      new RegExp(String(pattern))
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  return undefined
}
