import type { Json, JsonObject, StringMap } from './meta.ts'

export type FieldPath = readonly (string | number)[]

/** A value that is not what the API allows. */
export interface FieldProblem {
  readonly path: FieldPath
  readonly message: string
}

/** `spec.ports[0].port`; names that are no identifiers are quoted: `labels["a/b"]`. */
export function formatPath(path: FieldPath): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${JSON.stringify(part)}]`
  }
  return text
}

/**
 * One value of a raw object with its path. Readers return a usable value in any case and note a
 * problem when the raw one is not what they expect; null counts as missing, as in the API.
 */
export class Field {
  readonly value: unknown
  readonly #parent: Field | undefined
  readonly #name: string | number
  readonly #problems: FieldProblem[]

  private constructor(
    value: unknown,
    parent: Field | undefined,
    name: string | number,
    problems: FieldProblem[],
  ) {
    this.value = value === null ? undefined : value
    this.#parent = parent
    this.#name = name
    this.#problems = problems
  }

  static root(value: unknown, problems: FieldProblem[]): Field {
    return new Field(value, undefined, '', problems)
  }

  get missing(): boolean {
    return this.value === undefined
  }

  get path(): FieldPath {
    return this.#parent === undefined ? [] : [...this.#parent.path, this.#name]
  }

  /** Notes a problem with this value. */
  reject(message: string): void {
    this.#problems.push({ path: this.path, message })
  }

  /** Notes that the value is not what is expected, quoting it. */
  expected(what: string): void {
    if (this.missing) this.reject(`is missing; expected ${what}`)
    else this.reject(`is ${quote(this.value)}; expected ${what}`)
  }

  /** A property of an object; missing if this is missing. */
  at(name: string): Field {
    const properties = this.#properties()
    const value = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined
    return new Field(value, this, name, this.#problems)
  }

  /** Notes a problem unless this is an object or missing. Call once per object that is read with `at`. */
  object(): this {
    if (!this.missing && this.#properties() === undefined) this.expected('an object')
    return this
  }

  /** Like `object`, and it has to be there. */
  requiredObject(): this {
    if (this.missing) this.expected('an object')
    return this.object()
  }

  string(fallback = ''): string {
    if (this.missing) return fallback
    if (typeof this.value === 'string') return this.value
    this.expected('a string')
    return fallback
  }

  optionalString(): string | undefined {
    return this.missing ? undefined : this.string()
  }

  requiredString(): string {
    const text = this.string()
    if (text === '' && (this.missing || this.value === '')) this.expected('a non-empty string')
    return text
  }

  boolean(fallback: boolean): boolean {
    if (this.missing) return fallback
    if (typeof this.value === 'boolean') return this.value
    this.expected('true or false')
    return fallback
  }

  integer(fallback: number, { min, max }: { min: number; max: number }): number {
    if (this.missing) return fallback
    const { value } = this
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    this.expected(
      max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`,
    )
    return fallback
  }

  optionalInteger(limits: { min: number; max: number }): number | undefined {
    return this.missing ? undefined : this.integer(limits.min, limits)
  }

  requiredInteger(limits: { min: number; max: number }): number {
    if (this.missing) this.expected(`a whole number from ${limits.min} to ${limits.max}`)
    return this.integer(limits.min, limits)
  }

  oneOf<const T extends string>(values: readonly T[], fallback: T): T {
    if (this.missing || this.value === '') return fallback
    const found = values.find((value) => value === this.value)
    if (found !== undefined) return found
    this.expected(`one of ${values.join(', ')}`)
    return fallback
  }

  requiredOneOf<const T extends string>(values: readonly [T, ...T[]]): T {
    if (this.missing || this.value === '') this.expected(`one of ${values.join(', ')}`)
    return this.oneOf(values, values[0])
  }

  /** Each item of a list as a Field; empty when missing. */
  items(): readonly Field[] {
    if (this.missing) return []
    if (!Array.isArray(this.value)) {
      this.expected('a list')
      return []
    }
    return this.value.map((item, index) => new Field(item, this, index, this.#problems))
  }

  list<T>(read: (item: Field) => T): T[] {
    return this.items().map(read)
  }

  strings(): string[] {
    return this.list((item) => item.requiredString())
  }

  /** Each property as a Field; empty when missing. */
  entries(): readonly (readonly [string, Field])[] {
    if (this.missing) return []
    const properties = this.#properties()
    if (properties === undefined) {
      this.expected('an object')
      return []
    }
    return Object.entries(properties).map(([name, value]) => [
      name,
      new Field(value, this, name, this.#problems),
    ])
  }

  /** A map of strings such as labels. */
  stringMap(): StringMap {
    if (this.missing) return emptyMap
    const map: Record<string, string> = {}
    for (const [name, value] of this.entries()) {
      if (typeof value.value === 'string') define(map, name, value.value)
      else if (value.missing) define(map, name, '')
      else value.expected('a string (quote numbers and booleans in YAML)')
    }
    return map
  }

  json(): Json | undefined {
    return this.missing ? undefined : copyJson(this.value)
  }

  jsonObject(): JsonObject {
    if (this.missing) return {}
    if (this.#properties() === undefined) {
      this.expected('an object')
      return {}
    }
    return copyJson(this.value) as JsonObject
  }

  #properties(): Record<string, unknown> | undefined {
    const { value } = this
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
      return undefined
    }
    return value as Record<string, unknown>
  }
}

const emptyMap: StringMap = Object.freeze({})

/** Sets an own property whatever its name, `__proto__` included. */
export function define<T>(target: Record<string, T>, name: string, value: T): void {
  if (name === '__proto__') {
    Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true })
  } else target[name] = value
}

/** A copy that shares nothing with the raw object; what JSON cannot carry becomes null. */
function copyJson(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (Array.isArray(value)) return value.map(copyJson)
  if (typeof value !== 'object') return null
  const copy: Record<string, Json> = {}
  for (const [name, item] of Object.entries(value)) define(copy, name, copyJson(item))
  return copy
}

/** A wrong value for a message: short, on one line. */
function quote(value: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {
    text = undefined
  }
  text ??= String(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
