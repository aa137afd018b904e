import { type Entry, isObject, type JsonObject, type Kind } from '../objects/index.ts'

/**
 * The objects a list asks for (`name`, `label`, `uri`, `filter`) and of these the page; `total` counts them all. A sentence
 * if the page is out of bounds.
 */
export function select(
  all: readonly Entry<Kind>[],
  query: Readonly<Record<string, string | undefined>>,
): { readonly total: number; readonly page: readonly Entry<Kind>[] } | string {
  const { name, label, uri, page, page_size: pageSize } = query
  const wanted = [...new URLSearchParams(query.filter ?? '')]
  const found = all.filter(({ value }) => {
    const object = value as unknown as JsonObject
    return (
      (name === undefined || matches(object.name, name)) &&
      (label === undefined || (isObject(object.labels) && label in object.labels)) &&
      (uri === undefined || [object.uri, object.uris].flat().some((one) => matches(one, uri))) &&
      wanted.every(([field, text]) => object[field] !== undefined && String(object[field]) === text)
    )
  })
  if (page === undefined || pageSize === undefined) return { total: found.length, page: found }
  const size = Number(pageSize)
  if (!(size >= 10 && size <= 500)) return 'page_size must be between 10 and 500'
  const first = (Math.max(Number(page) || 1, 1) - 1) * size
  return { total: found.length, page: found.slice(first, first + size) }
}

/** `name` and `uri` filters are patterns, as in APISIX; one that is no regex is taken as text. */
function matches(value: unknown, pattern: string): boolean {
  if (typeof value !== 'string') return false
  try {
    return new RegExp(pattern).test(value)
  } catch {
    return value.includes(pattern)
  }
}
