import { isIP } from 'node:net'

/** The subset of JSON Schema (draft 7) that APISIX's schemas use. */
export interface Schema {
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'array' | undefined
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly required?: readonly string[]
  /** What else must hold of an object that has the property. */
  readonly dependencies?: Readonly<Record<string, Schema>>
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly uniqueItems?: boolean
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly format?: 'ipv4' | 'ipv6'
  readonly default?: unknown
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly not?: Schema
  readonly description?: string
  readonly $comment?: string
}

export type JsonObject = { [name: string]: unknown }

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What APISIX's validator calls the type of a value: Lua's name. */
export function typeName(value: unknown): string {
  if (value === null) return 'userdata'
  return typeof value === 'object' ? 'table' : typeof value
}

function hasType(value: unknown, type: string): boolean {
  switch (type) {
    case 'object':
      return isObject(value)
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}

/** Whether a value stands for one that is kept elsewhere: `$secret://...`, `$env://...`. */
export function isReference(value: unknown): boolean {
  return typeof value === 'string' && /^\$(?:secret|[eE][nN][vV]):\/\//.test(value)
}

/**
 * Checks a value and fills in defaults (in place, also nested: what the Admin API reads back shows them). The message of
 * the first fault, in the words of APISIX's validator because clients and tests compare them; undefined if valid.
 */
export function validate(schema: Schema, value: unknown): string | undefined {
  if (schema.type !== undefined && !hasType(value, schema.type)) {
    if (isReference(value)) return undefined
    return `wrong type: expected ${schema.type}, got ${typeName(value)}`
  }
  if (schema.enum !== undefined && !schema.enum.includes(value)) return 'matches none of the enum values'
  return (
    (typeof value === 'string' ? checkString(schema, value) : undefined) ??
    (typeof value === 'number' ? checkNumber(schema, value) : undefined) ??
    (Array.isArray(value) ? checkArray(schema, value) : undefined) ??
    (isObject(value) ? checkObject(schema, value) : undefined) ??
    checkCombinations(schema, value)
  )
}

/** As Lua's %q writes a string. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\\n')}"`
}

function checkString(schema: Schema, value: string): string | undefined {
  if (isReference(value)) return undefined
  const length = [...value].length
  if (schema.minLength !== undefined && length < schema.minLength) {
    return `string too short, expected at least ${schema.minLength}, got ${length}`
  }
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    return `string too long, expected at most ${schema.maxLength}, got ${length}`
  }
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) {
    return `failed to match pattern ${quoted(schema.pattern)} with ${quoted(value)}`
  }
  if (schema.format !== undefined && isIP(value) !== (schema.format === 'ipv4' ? 4 : 6)) {
    return `failed to validate format "${schema.format}" with "${value}"`
  }
  return undefined
}

function checkNumber(schema: Schema, value: number): string | undefined {
  if (schema.minimum !== undefined && value < schema.minimum)
    return `expected ${value} to be at least ${schema.minimum}`
  if (schema.maximum !== undefined && value > schema.maximum)
    return `expected ${value} to be at most ${schema.maximum}`
  if (schema.exclusiveMinimum !== undefined && value <= schema.exclusiveMinimum) {
    return `expected ${value} to be greater than ${schema.exclusiveMinimum}`
  }
  return undefined
}

function checkArray(schema: Schema, value: readonly unknown[]): string | undefined {
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    return `expect array to have at least ${schema.minItems} items`
  }
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    return `expect array to have at most ${schema.maxItems} items`
  }
  if (schema.items !== undefined) {
    for (const [index, item] of value.entries()) {
      const fault = validate(schema.items, item)
      if (fault !== undefined) return `failed to validate item ${index + 1}: ${fault}`
    }
  }
  if (schema.uniqueItems === true) {
    const seen = new Map<string, number>()
    for (const [index, item] of value.entries()) {
      const text = JSON.stringify(item)
      const first = seen.get(text)
      if (first !== undefined) return `expected unique items but items ${first} and ${index + 1} are equal`
      seen.set(text, index + 1)
    }
  }
  return undefined
}

function checkObject(schema: Schema, value: JsonObject): string | undefined {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (value[name] === undefined && property.default !== undefined)
      value[name] = structuredClone(property.default)
  }
  for (const name of schema.required ?? []) {
    if (value[name] === undefined) return `property "${name}" is required`
  }
  const names = Object.keys(value)
  if (schema.minProperties !== undefined && names.length < schema.minProperties) {
    return `expect object to have at least ${schema.minProperties} properties`
  }
  if (schema.maxProperties !== undefined && names.length > schema.maxProperties) {
    return `expect object to have at most ${schema.maxProperties} properties`
  }
  for (const [name, schemaOfRest] of Object.entries(schema.dependencies ?? {})) {
    const fault = value[name] === undefined ? undefined : validate(schemaOfRest, value)
    if (fault !== undefined) return `failed to validate dependent schema for "${name}": ${fault}`
  }
  for (const name of names) {
    const fault = checkProperty(schema, name, value[name])
    if (fault !== undefined) return fault
  }
  return undefined
}

function checkProperty(schema: Schema, name: string, value: unknown): string | undefined {
  const own =
    schema.properties !== undefined && Object.hasOwn(schema.properties, name)
      ? schema.properties[name]
      : undefined
  if (own !== undefined) {
    const fault = validate(own, value)
    return fault === undefined ? undefined : `property "${name}" validation failed: ${fault}`
  }
  let matched = false
  for (const [pattern, inner] of Object.entries(schema.patternProperties ?? {})) {
    if (!new RegExp(pattern).test(name)) continue
    matched = true
    const fault = validate(inner, value)
    if (fault !== undefined) return `failed to validate ${name} (matching "${pattern}"): ${fault}`
  }
  if (matched || schema.additionalProperties === undefined || schema.additionalProperties === true)
    return undefined
  if (schema.additionalProperties === false) return `additional properties forbidden, found ${name}`
  const fault = validate(schema.additionalProperties, value)
  return fault === undefined ? undefined : `failed to validate additional property ${name}: ${fault}`
}

function checkCombinations(schema: Schema, value: unknown): string | undefined {
  // What it stands for is not known yet, so it goes for every alternative.
  if (isReference(value)) return undefined
  if (schema.anyOf?.every((one) => validate(one, value) !== undefined)) {
    const sets = schema.anyOf.map((one) => one.required)
    if (!sets.every((set) => set !== undefined)) return 'object matches none of the required'
    return `object matches none of the required: ${sets.map((set) => JSON.stringify(set)).join(' or ')}`
  }
  if (schema.oneOf !== undefined) {
    const matching = schema.oneOf.flatMap((one, index) =>
      validate(one, value) === undefined ? [index + 1] : [],
    )
    if (matching.length === 0) return 'value should match only one schema, but matches none'
    if (matching.length > 1) {
      return `value should match only one schema, but matches both schemas ${matching[0]} and ${matching[1]}`
    }
  }
  if (schema.not !== undefined && validate(schema.not, value) === undefined) {
    return "value wasn't supposed to match schema"
  }
  return undefined
}
