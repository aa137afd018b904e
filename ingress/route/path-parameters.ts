/** What the parameters of a path pattern are called, and how a path is cut into them. */
export interface PathParameters {
  readonly names: readonly string[]
  readonly regex: RegExp
}

/** Where the first parameter or '*' of a pattern of mode radixtree_uri_with_parameter is; -1 if it has none. */
export function firstParameter(pattern: string): number {
  const found = /\/:|\*/.exec(pattern)
  if (found === null) return -1
  return found[0] === '*' ? found.index : found.index + 1
}

/**
 * Compiles a pattern of mode radixtree_uri_with_parameter: a segment `:name` is one that is not empty, one that begins with
 * `*` is all that follows, under the name after it.
 */
export function compileParameters(pattern: string): PathParameters {
  const names: string[] = []
  const segments = pattern.split('/').map((segment) => {
    if (segment.startsWith(':')) {
      names.push(segment.slice(1))
      return '([^/]+)'
    }
    if (segment.startsWith('*')) {
      names.push(segment.slice(1))
      return '(.*)'
    }
    return segment.replace(/[.*+?^${}()|[\]\\]/g, (mark) => (mark === '*' ? '.*' : `\\${mark}`))
  })
  return { names, regex: new RegExp(`^${segments.join('/')}$`, 's') }
}

/** The parameters of a path by the first of the patterns that fits it. */
export function parametersOf(
  patterns: readonly PathParameters[],
  path: string,
): ReadonlyMap<string, string> | undefined {
  for (const { names, regex } of patterns) {
    const values = regex.exec(path)
    if (values !== null) return new Map(names.map((name, index) => [name, values[index + 1] ?? '']))
  }
  return undefined
}
