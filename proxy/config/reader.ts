import { ProxyConfigurationError } from '../errors.ts'
import { parseDuration } from './duration.ts'

type Mapping = Readonly<Record<string, unknown>>

/**
 * Reads one mapping of the document field by field: every accessor names the field in its error, and `rest()` tells
 * which fields nobody asked for.
 */
export class FieldReader {
  readonly #file: string
  readonly #path: string
  readonly #mapping: Mapping
  readonly #read = new Set<string>()

  constructor(file: string, path: string, value: unknown) {
    this.#file = file
    this.#path = path
    if (value !== undefined && value !== null && (typeof value !== 'object' || Array.isArray(value))) {
      throw new ProxyConfigurationError(
        file,
        path || undefined,
        `expected a mapping, found ${describe(value)}`,
      )
    }
    this.#mapping = (value ?? {}) as Mapping
  }

  /** Fields present in the document which no accessor was called for, as full paths. */
  rest(): string[] {
    return Object.keys(this.#mapping)
      .filter((name) => !this.#read.has(name))
      .map((name) => this.#at(name))
  }

  fail(name: string, problem: string): never {
    throw new ProxyConfigurationError(this.#file, this.#at(name), problem)
  }

  string(name: string, fallback: string): string {
    const value = this.#take(name)
    if (value === undefined) return fallback
    if (typeof value !== 'string') this.fail(name, `expected a string, found ${describe(value)}`)
    return value
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.#take(name)
    if (value === undefined) return fallback
    if (typeof value !== 'boolean') this.fail(name, `expected true or false, found ${describe(value)}`)
    return value
  }

  integer(name: string, fallback: number, range: { min: number; max: number }): number {
    const value = this.#take(name)
    if (value === undefined) return fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < range.min || value > range.max) {
      this.fail(name, `expected an integer from ${range.min} to ${range.max}, found ${describe(value)}`)
    }
    return value
  }

  /** A Go duration such as 30s, in milliseconds. */
  duration(name: string, fallback: number): number
  duration(name: string, fallback: number | undefined): number | undefined
  duration(name: string, fallback: number | undefined): number | undefined {
    const value = this.#take(name)
    if (value === undefined) return fallback
    const parsed = typeof value === 'string' ? parseDuration(value) : value === 0 ? 0 : undefined
    if (parsed === undefined)
      this.fail(name, `expected a duration such as 30s or 1m30s, found ${describe(value)}`)
    return parsed
  }

  strings(name: string, fallback: readonly string[]): readonly string[] {
    const value = this.#take(name)
    if (value === undefined) return fallback
    if (!Array.isArray(value)) this.fail(name, `expected a list of strings, found ${describe(value)}`)
    return value.map((item: unknown, index) => {
      if (typeof item !== 'string')
        this.fail(`${name}[${index}]`, `expected a string, found ${describe(item)}`)
      return item
    })
  }

  nested(name: string): FieldReader {
    return new FieldReader(this.#file, this.#at(name), this.#take(name))
  }

  #take(name: string): unknown {
    this.#read.add(name)
    return this.#mapping[name] ?? undefined
  }

  #at(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }
}

function describe(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return JSON.stringify(value)
}
