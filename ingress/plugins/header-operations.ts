import type { RequestContext } from '../dataplane/context.ts'
import type { MessageHeaders } from '../http/index.ts'
import { isObject, type JsonObject, type Schema } from '../objects/index.ts'

/** `headers` of the rewriting plugins: {add, set, remove}, or a flat map that means set. */
export const HEADERS_SCHEMA: Schema = {
  type: 'object',
  minProperties: 1,
}

export interface HeaderOperations {
  readonly add: readonly (readonly [string, string])[]
  readonly set: readonly (readonly [string, string])[]
  readonly remove: readonly string[]
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** A sentence if `headers` is not usable, else undefined. */
export function checkHeaders(headers: unknown): string | undefined {
  if (headers === undefined) return undefined
  const { add, set, remove } = headerOperations(headers)
  for (const [name] of [...add, ...set])
    if (!NAME.test(name)) return `invalid field character in header: ${name}`
  for (const name of remove) if (!NAME.test(name)) return `invalid field character in header: ${name}`
  return undefined
}

function pairs(value: unknown): [string, string][] {
  if (Array.isArray(value)) {
    return value.map((line) => {
      const colon = String(line).indexOf(':')
      return [
        String(line).slice(0, colon).trim(),
        String(line)
          .slice(colon + 1)
          .trim(),
      ]
    })
  }
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([name, one]) =>
    (Array.isArray(one) ? one : [one]).map((single): [string, string] => [name, String(single)]),
  )
}

export function headerOperations(headers: unknown): HeaderOperations {
  if (!isObject(headers)) return { add: [], set: [], remove: [] }
  const structured = ['add', 'set', 'remove'].some((name) => typeof headers[name] === 'object')
  if (!structured) return { add: [], set: pairs(headers), remove: [] }
  const { remove } = headers as JsonObject
  return {
    add: pairs(headers.add),
    set: pairs(headers.set),
    remove: Array.isArray(remove) ? remove.map(String) : [],
  }
}

export function applyHeaders(
  headers: MessageHeaders,
  operations: HeaderOperations,
  context: RequestContext,
): void {
  for (const name of operations.remove) headers.remove(name)
  const begun = new Set<string>()
  for (const [name, value] of operations.set) {
    const expanded = context.expand(value)
    // A list sets several fields of one name.
    if (begun.has(name)) headers.add(name, expanded)
    else if (expanded === '') headers.remove(name)
    else headers.set(name, expanded)
    begun.add(name)
  }
  for (const [name, value] of operations.add) headers.add(name, context.expand(value))
}
