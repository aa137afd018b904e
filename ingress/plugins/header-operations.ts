import type { RequestContext } from '../dataplane/context.ts'
import type { MessageHeaders } from '../http/index.ts'
import { isObject, type Schema } from '../objects/index.ts'

const SINGLE: Schema = { oneOf: [{ type: 'string' }, { type: 'number' }] }

/** Header fields by name. `value` is the schema of one. */
export function fieldMap(value: Schema = SINGLE): Schema {
  return { type: 'object', minProperties: 1, patternProperties: { '^[^:]+$': value } }
}

/** One value, or several fields of one name. */
export const VALUES: Schema = {
  oneOf: [{ type: 'string' }, { type: 'number' }, { type: 'array', minItems: 1, items: SINGLE }],
}

export const FIELD_NAMES: Schema = {
  type: 'array',
  minItems: 1,
  items: { type: 'string', pattern: '^[^:]+$' },
}

export interface HeaderOperations {
  readonly add: readonly (readonly [string, string])[]
  readonly set: readonly (readonly [string, string])[]
  readonly remove: readonly string[]
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const VALUE = /^[ -~]*$/

/** A sentence if `headers` is not usable, else undefined. */
export function checkHeaders(headers: unknown): string | undefined {
  if (!isObject(headers)) return undefined
  if (!isStructured(headers)) {
    for (const value of Object.values(headers))
      if (typeof value !== 'string' && typeof value !== 'number') return 'invalid type as header value'
  }
  const { add, set, remove } = headerOperations(headers)
  for (const name of [...add, ...set].map(([first]) => first).concat(remove)) {
    if (name === '') return 'invalid field length in header'
    if (!NAME.test(name)) return 'invalid field character in header'
  }
  return [...add, ...set].every(([, value]) => VALUE.test(value))
    ? undefined
    : 'invalid value character in header'
}

function isStructured(headers: object): boolean {
  const { add, set, remove } = headers as { add?: unknown; set?: unknown; remove?: unknown }
  return [add, set, remove].some((one) => typeof one === 'object')
}

function pairs(value: unknown): [string, string][] {
  if (Array.isArray(value)) {
    return value.map((line) => {
      const [name = '', ...rest] = String(line).split(':')
      return [name.trim(), rest.join(':').trim()]
    })
  }
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([name, one]) =>
    [one].flat().map((single): [string, string] => [name, String(single)]),
  )
}

/** `headers` of the rewriting plugins: {add, set, remove}, or a flat map that means set. */
export function headerOperations(headers: unknown): HeaderOperations {
  if (!isObject(headers)) return { add: [], set: [], remove: [] }
  if (!isStructured(headers)) return { add: [], set: pairs(headers), remove: [] }
  const { add, set, remove } = headers
  return {
    add: pairs(add),
    set: pairs(set),
    remove: Array.isArray(remove) ? remove.map(String) : [],
  }
}

/** Adds, then sets, then removes: what is named twice is what the last of them says. */
export function applyHeaders(
  headers: MessageHeaders,
  operations: HeaderOperations,
  context: RequestContext,
  expand: (template: string) => string = (template) => context.expand(template),
): void {
  for (const [name, value] of operations.add) headers.add(name, expand(value))
  const begun = new Set<string>()
  for (const [name, value] of operations.set) {
    const expanded = expand(value)
    // A list sets several fields of one name.
    if (begun.has(name)) headers.add(name, expanded)
    else if (expanded === '') headers.remove(name)
    else headers.set(name, expanded)
    begun.add(name)
  }
  for (const name of operations.remove) headers.remove(name)
}
