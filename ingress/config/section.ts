import { GatewayConfigError } from '../errors.ts'
import { isObject, type JsonObject } from '../objects/index.ts'

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  '': 1000,
}
const SIZES: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** A map of the configuration file. Remembers which keys were asked for, so that the rest can be named. */
export class Section {
  readonly #content: JsonObject
  readonly #file: string
  readonly #path: string
  readonly #read = new Set<string>()
  readonly #sections = new Map<string, Section>()

  constructor(content: JsonObject, file: string, path: string) {
    this.#content = content
    this.#file = file
    this.#path = path
  }

  error(field: string, problem: string): GatewayConfigError {
    return new GatewayConfigError(this.#file, this.#path === '' ? field : `${this.#path}.${field}`, problem)
  }

  raw(field: string): unknown {
    this.#read.add(field)
    return this.#content[field] ?? undefined
  }

  section(field: string): Section {
    const known = this.#sections.get(field)
    if (known !== undefined) return known
    const value = this.raw(field) ?? {}
    if (!isObject(value)) throw this.error(field, 'must be a map')
    const section = new Section(value, this.#file, this.#path === '' ? field : `${this.#path}.${field}`)
    this.#sections.set(field, section)
    return section
  }

  boolean(field: string): boolean | undefined {
    const value = this.raw(field)
    if (value === undefined || typeof value === 'boolean') return value
    throw this.error(field, 'must be true or false')
  }

  string(field: string): string | undefined {
    const value = this.raw(field)
    if (value === undefined || typeof value === 'string') return value
    throw this.error(field, 'must be a string')
  }

  strings(field: string): readonly string[] | undefined {
    const value = this.raw(field)
    if (value === undefined) return undefined
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
    throw this.error(field, 'must be a list of strings')
  }

  choice<const T extends string>(field: string, choices: readonly T[]): T | undefined {
    const value = this.raw(field)
    if (value === undefined) return undefined
    const found = choices.find((choice) => choice === value)
    if (found !== undefined) return found
    throw this.error(field, `${JSON.stringify(value)} is not one of ${choices.join(', ')}`)
  }

  /** nginx's time: a number of seconds, or 500ms, 60s, 1m ...; in milliseconds. */
  duration(field: string): number | undefined {
    return this.#quantity(field, UNITS, 'a time such as 60s')
  }

  /** nginx's size: bytes, or 10k, 8m, 1g. */
  size(field: string): number | undefined {
    return this.#quantity(field, SIZES, 'a size such as 10m')
  }

  #quantity(field: string, units: Readonly<Record<string, number>>, what: string): number | undefined {
    const value = this.raw(field)
    if (value === undefined) return undefined
    const match = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(String(value).toLowerCase())
    const unit = match === null ? undefined : units[match[2] as string]
    if (match === null || unit === undefined)
      throw this.error(field, `${JSON.stringify(value)} is not ${what}`)
    return Number(match[1]) * unit
  }

  all(): JsonObject {
    for (const name of Object.keys(this.#content)) this.#read.add(name)
    return this.#content
  }

  /** Dotted names of everything nobody asked for. */
  unread(): string[] {
    return Object.keys(this.#content).flatMap((name) => {
      if (!this.#read.has(name)) return [this.#path === '' ? name : `${this.#path}.${name}`]
      return this.#sections.get(name)?.unread() ?? []
    })
  }
}
