export interface CanonicalUri {
  /** Decoded, with dot segments resolved and slashes merged: what routes and plugins compare ($uri). */
  readonly path: string
  readonly query: string
  /** What goes upstream if nobody rewrites: as received, or resolved when it held dot segments. */
  readonly wire: string
}

/** Escapes, doubled slashes, possible dot segments, raw bytes beyond ASCII (which are read as UTF-8, like escaped ones). */
const NEEDS_WORK = /%|\/\/|\/\.|[\x80-\xff]/
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|%2f|$)/i

/**
 * The one form of a request path that everything decides on (CVE-2021-43557 is what happens otherwise); undefined if it has
 * none (bad escape, NUL, or leading above the root). Dot segments are resolved for the upstream as well, so it cannot be
 * led elsewhere than where the route looked; other escapes and doubled slashes pass as they came.
 */
export function canonicalUri(target: string): CanonicalUri | undefined {
  const mark = target.indexOf('?')
  const raw = mark === -1 ? target : target.slice(0, mark)
  const query = mark === -1 ? '' : target.slice(mark + 1)
  if (!NEEDS_WORK.test(raw)) return { path: raw, query, wire: target }
  let decoded: string
  try {
    decoded = decodeBytes(raw)
  } catch {
    return undefined
  }
  if (decoded.includes('\0')) return undefined
  const path = resolveSegments(decoded)
  if (path === undefined) return undefined
  if (!DOT_SEGMENT.test(raw)) return { path, query, wire: target }
  return { path, query, wire: encodePath(path) + (mark === -1 ? '' : `?${query}`) }
}

/** Percent-decoding byte by byte (latin-1 string of the bytes, re-read as UTF-8 where that is valid). */
export function decodeBytes(raw: string): string {
  if (/%(?![0-9a-f]{2})/i.test(raw)) throw new Error('bad escape')
  const bytes = Buffer.from(
    raw.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
  return bytes.toString('utf8')
}

function resolveSegments(path: string): string | undefined {
  const segments: string[] = []
  const parts = path.split('/')
  for (let index = 1; index < parts.length; index++) {
    const part = parts[index] as string
    const last = index === parts.length - 1
    if (part === '..') {
      if (segments.pop() === undefined) return undefined
      if (last) segments.push('')
    } else if (part === '.') {
      if (last) segments.push('')
    } else if (part !== '' || last) segments.push(part)
  }
  return `/${segments.join('/')}`
}

/** Wire form of a decoded path: escapes what may not stand in one, '/' and other reserved marks stay. */
export function encodePath(path: string): string {
  return encodeURI(path).replace(/[?#]/g, (mark) => (mark === '?' ? '%3F' : '%23'))
}

/** First value of a query argument, decoded; undefined if absent. */
export function queryArgument(query: string, name: string): string | undefined {
  if (query === '') return undefined
  for (const part of query.split('&')) {
    const equals = part.indexOf('=')
    const key = equals === -1 ? part : part.slice(0, equals)
    if (key === name || decodeArgument(key) === name)
      return equals === -1 ? '' : decodeArgument(part.slice(equals + 1))
  }
  return undefined
}

export function decodeArgument(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

/** A request target without an argument of its query. */
export function removeArgument(target: string, name: string): string {
  const mark = target.indexOf('?')
  if (mark === -1) return target
  const kept = target
    .slice(mark + 1)
    .split('&')
    .filter((part) => decodeArgument(part.split('=', 1)[0] ?? '') !== name)
  return kept.length === 0 ? target.slice(0, mark) : `${target.slice(0, mark)}?${kept.join('&')}`
}
