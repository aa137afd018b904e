/**
 * Cases in the form that APISIX's own data tests have (Test::Base): blocks `=== TEST n: title` with sections `--- name`. What
 * can be told without Lua is understood: `admin` (METHOD path, then a body), `request` (METHOD target, then a body),
 * `more_headers`, `error_code`, `response_body`, `response_body_like`, `response_headers`, `apisix_yaml`. Our cases are
 * written by us; upstream's can be read by the same code.
 */
export interface Case {
  readonly title: string
  readonly sections: ReadonlyMap<string, string>
}

/** Takes a file apart. Throws an Error naming the line of what it does not understand. */
export function parseCases(text: string, file: string): Case[] {
  const cases: { title: string; sections: Map<string, string> }[] = []
  let section: string | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const block = /^=== (?:TEST \d+: )?(.*)$/.exec(line)
    const head = /^--- (\w+)(?: (eval|chomp))?(?:: (.*))?\s*$/.exec(line)
    const current = cases.at(-1)
    if (block !== null) {
      cases.push({ title: block[1] ?? '', sections: new Map() })
      section = undefined
    } else if (head !== null && current !== undefined) {
      section = head[1] ?? ''
      current.sections.set(section, head[2] === 'eval' ? '\u0000' : (head[3] ?? ''))
    } else if (section !== undefined && current !== undefined) {
      const before = current.sections.get(section) ?? ''
      current.sections.set(section, `${before}${line}\n`)
    } else if (current === undefined && line.trim() !== '' && !line.startsWith('#')) {
      throw new Error(`${file}:${index + 1}: neither a block nor a section: ${line}`)
    }
  }
  return cases
}

export interface CaseRequest {
  readonly method: string
  readonly target: string
  readonly body: string | undefined
}

/** `GET /path` on the first line, a body on the others. */
export function requestOf(text: string): CaseRequest {
  const end = text.indexOf('\n')
  const [method = 'GET', target = '/'] = (end === -1 ? text : text.slice(0, end)).trim().split(/\s+/)
  const body = end === -1 ? '' : text.slice(end + 1).replace(/\n+$/, '')
  return { method, target, body: body === '' ? undefined : body }
}

/** The pattern of a `_like` section: as it is, or Perl's qr/.../ behind eval. */
export function patternOf(text: string): RegExp {
  const perl = /qr(?:\/(.*)\/|\{(.*)\})([a-z]*)/s.exec(text)
  if (perl === null) return new RegExp(text.replaceAll('\u0000', '').trim())
  return new RegExp(perl[1] ?? perl[2] ?? '', (perl[3] ?? '').replace(/[^ims]/g, ''))
}

/** Whether everything in `part` is in `whole`, as upstream's test_admin compares JSON. */
export function contains(whole: unknown, part: unknown): boolean {
  if (typeof part !== 'object' || part === null) return whole === part
  if (typeof whole !== 'object' || whole === null) return false
  return Object.entries(part).every(([name, value]) =>
    contains((whole as Readonly<Record<string, unknown>>)[name], value),
  )
}
