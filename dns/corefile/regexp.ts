/**
 * A regular expression as Corefiles write it (Go's RE2) as one of JavaScript: `(?P<name>` becomes `(?<name>`, a leading
 * `(?i)` the flag. Undefined if it is none.
 */
export function parseRegexp(text: string): RegExp | undefined {
  let source = text.replaceAll('(?P<', '(?<')
  let flags = ''
  const leading = /^\(\?([ims]+)\)/.exec(source)
  if (leading !== null) {
    flags = leading[1] ?? ''
    source = source.slice(leading[0].length)
  }
  try {
    return new RegExp(source, flags)
  } catch {
    return undefined
  }
}

/** Puts groups in: `{0}` `{1}` by number, `{name}` by name. Unknown ones stay as they are. */
export function fillGroups(template: string, match: RegExpExecArray): string {
  return template.replace(
    /\{(\w+)\}/g,
    (whole, key: string) => match[Number(key)] ?? match.groups?.[key] ?? whole,
  )
}
