import { IpamError } from './errors.ts'

/**
 * Read access to a JSON object the way Go's encoding/json gives it to the reference plugins: keys match without
 * regard to case (an exact match wins), null counts as absent, and a value of the wrong type is an error that
 * names the field.
 */
export class Fields {
  readonly path: string
  readonly #value: Readonly<Record<string, unknown>>

  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new IpamError(
        'IPAM_DECODE',
        `${path === '' ? 'configuration' : path}: expected an object, got ${kindOf(value)}`,
      )
    }
    this.#value = value as Record<string, unknown>
    this.path = path
  }

  /** The value as it stands in the JSON text; undefined when absent or null. */
  raw(name: string): unknown {
    if (Object.hasOwn(this.#value, name)) return this.#value[name] ?? undefined
    const wanted = name.toLowerCase()
    for (const key of Object.keys(this.#value)) {
      if (key.toLowerCase() === wanted) return this.#value[key] ?? undefined
    }
    return undefined
  }

  /** The keys as they stand. */
  names(): string[] {
    return Object.keys(this.#value)
  }

  /** Whether the key is there at all, even as null. */
  has(name: string): boolean {
    const wanted = name.toLowerCase()
    return Object.keys(this.#value).some((key) => key.toLowerCase() === wanted)
  }

  string(name: string): string | undefined {
    const value = this.raw(name)
    if (value === undefined || typeof value === 'string') return value
    throw this.#mismatch(name, 'a string', value)
  }

  integer(name: string): number | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value
    throw this.#mismatch(name, 'an integer', value)
  }

  boolean(name: string): boolean | undefined {
    const value = this.raw(name)
    if (value === undefined || typeof value === 'boolean') return value
    throw this.#mismatch(name, 'a boolean', value)
  }

  list(name: string): readonly unknown[] | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    if (Array.isArray(value)) return value
    throw this.#mismatch(name, 'a list', value)
  }

  strings(name: string): string[] | undefined {
    return this.list(name)?.map((value, index) => {
      if (typeof value === 'string') return value
      throw this.#mismatch(`${name}[${index}]`, 'a string', value)
    })
  }

  object(name: string): Fields | undefined {
    const value = this.raw(name)
    return value === undefined ? undefined : new Fields(value, this.#join(name))
  }

  objects(name: string): Fields[] | undefined {
    return this.list(name)?.map((value, index) => new Fields(value, this.#join(`${name}[${index}]`)))
  }

  #join(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`
  }

  #mismatch(name: string, expected: string, value: unknown): IpamError {
    return new IpamError(
      'IPAM_DECODE',
      `field "${this.#join(name)}": expected ${expected}, got ${kindOf(value)}`,
    )
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  return `the ${typeof value} ${JSON.stringify(value)}`
}
