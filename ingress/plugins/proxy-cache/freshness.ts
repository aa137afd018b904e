import type { CachedAnswer } from './store.ts'

export type Directives = ReadonlyMap<string, string>

/** The directives of a Cache-Control field (RFC 9111 §5.2), names in lower case. */
export function directives(header: string | undefined): Directives {
  const found = new Map<string, string>()
  for (const part of (header ?? '').split(',')) {
    const [name = '', value = ''] = part.trim().split('=', 2)
    if (name !== '') found.set(name.toLowerCase(), value.replace(/^"|"$/g, ''))
  }
  return found
}

function seconds(given: Directives, name: string): number | undefined {
  const text = given.get(name)
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** Nobody but the one who asked may have the answer, or it may not be kept. */
export function isPrivate(response: Directives): boolean {
  return response.has('private') || response.has('no-store') || response.has('no-cache')
}

/** Seconds an answer is fresh by its own word (RFC 9111 §4.2.1); undefined if it says nothing. */
export function lifetime(response: Directives, expires: string | undefined, now: number): number | undefined {
  const stated = seconds(response, 's-maxage') ?? seconds(response, 'max-age')
  if (stated !== undefined || expires === undefined) return stated
  const at = Date.parse(expires)
  return Number.isNaN(at) ? 0 : Math.max(0, (at - now) / 1000)
}

/** Whether a stored answer may be given to a request with these directives, at this moment. */
export function usable(answer: CachedAnswer, request: Directives, now: number): 'HIT' | 'STALE' | 'EXPIRED' {
  const age = (now - answer.storedAt) / 1000
  const left = (answer.freshUntil - now) / 1000
  const maxAge = seconds(request, 'max-age')
  if (maxAge !== undefined && age > maxAge) return 'STALE'
  const minFresh = seconds(request, 'min-fresh')
  if (minFresh !== undefined && left < minFresh) return 'STALE'
  if (left > 0) return 'HIT'
  const maxStale = request.has('max-stale') ? (seconds(request, 'max-stale') ?? Number.POSITIVE_INFINITY) : 0
  return -left < maxStale ? 'HIT' : 'EXPIRED'
}
