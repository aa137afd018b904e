import type protobuf from 'protobufjs'
import { isObject, type JsonObject } from '../../objects/index.ts'

/** `pb_option`, as lua-protobuf understands it. */
export interface MessageOptions {
  readonly enums: 'name' | 'value'
  readonly longs: 'number' | 'string' | 'hexstring'
  /** Fields that are not there get their default. */
  readonly defaults: boolean
}

export function messageOptions(names: readonly string[]): MessageOptions {
  return {
    enums: names.includes('enum_as_value') ? 'value' : 'name',
    longs: names.includes('int64_as_hexstring')
      ? 'hexstring'
      : names.includes('int64_as_string')
        ? 'string'
        : 'number',
    defaults: !names.includes('no_default_values'),
  }
}

const LONG = /^(?:u|s)?(?:int|fixed)64$|^sfixed64$/
const NUMBER = /^(?:u|s)?(?:int|fixed)32$|^sfixed32$|^float$|^double$/
/** Whole numbers within this range are numbers whatever the option says. */
const SMALLEST_PLAIN = -(2n ** 31n)
const LARGEST_PLAIN = 2n ** 32n - 1n

/** Encodes an object; names it does not know are left out. Throws if a value does not fit its field. */
export function encodeMessage(type: protobuf.Type, value: JsonObject): Uint8Array {
  const message = type.fromObject(prepared(type, value))
  const fault = type.verify(message)
  if (fault !== null) throw new Error(fault)
  return type.encode(message).finish()
}

/** A JSON object (or a form, all of strings) in the shape that protobufjs takes. */
function prepared(type: protobuf.Type, value: JsonObject): JsonObject {
  const result: Record<string, unknown> = {}
  for (const field of type.fieldsArray) {
    const given = value[field.name]
    if (given === undefined || given === null) continue
    if (field.map) {
      if (!isObject(given)) throw new Error(`${field.name}: an object is expected`)
      result[field.name] = Object.fromEntries(
        Object.entries(given).map(([key, one]) => [key, scalar(field, one)]),
      )
    } else if (field.repeated)
      result[field.name] = (Array.isArray(given) ? given : [given]).map((one) => scalar(field, one))
    else result[field.name] = scalar(field, given)
  }
  return result
}

function scalar(field: protobuf.Field, value: unknown): unknown {
  const { resolvedType, type } = field
  if (resolvedType !== null && 'fieldsArray' in resolvedType) {
    if (!isObject(value)) throw new Error(`${field.name}: an object is expected`)
    return prepared(resolvedType, value)
  }
  if (typeof value === 'object') throw new Error(`${field.name}: ${type} is expected`)
  if (typeof value !== 'string') return value
  if (resolvedType !== null) {
    if (/^-?\d+$/.test(value)) return Number(value)
    if (Object.hasOwn(resolvedType.values, value)) return value
    throw new Error(`${field.name}: ${resolvedType.name} has no ${value}`)
  }
  if (LONG.test(type)) return String(BigInt(value.replace(/^#/, '')))
  if (NUMBER.test(type)) return Number(value)
  if (type === 'bool') return value === 'true' || value === '1'
  // lua-protobuf has no other bytes than strings.
  return type === 'bytes' ? Buffer.from(value) : value
}

/** Decodes a message into what JSON can say. Throws if the bytes are none. */
export function decodeMessage(type: protobuf.Type, bytes: Uint8Array, options: MessageOptions): JsonObject {
  return shown(type, type.decode(bytes) as unknown as JsonObject, options)
}

function shown(type: protobuf.Type, message: JsonObject, options: MessageOptions): JsonObject {
  const result: Record<string, unknown> = {}
  for (const field of type.fieldsArray) {
    const present = Object.hasOwn(message, field.name)
    const value = message[field.name]
    if (field.repeated) {
      if (Array.isArray(value) && (value.length > 0 || options.defaults))
        result[field.name] = value.map((one) => shownScalar(field, one, options))
    } else if (field.map) {
      if (isObject(value) && (Object.keys(value).length > 0 || options.defaults))
        result[field.name] = Object.fromEntries(
          Object.entries(value).map(([key, one]) => [key, shownScalar(field, one, options)]),
        )
    } else if (present) result[field.name] = shownScalar(field, value, options)
    else if (options.defaults && hasDefault(field)) result[field.name] = shownScalar(field, value, options)
  }
  return result
}

function hasDefault(field: protobuf.Field): boolean {
  const isMessage = field.resolvedType !== null && 'fieldsArray' in field.resolvedType
  return !isMessage && field.partOf === null
}

function shownScalar(field: protobuf.Field, value: unknown, options: MessageOptions): unknown {
  const { resolvedType, type } = field
  if (resolvedType !== null && 'fieldsArray' in resolvedType)
    return isObject(value) ? shown(resolvedType, value, options) : value
  if (resolvedType !== null)
    return options.enums === 'name' ? (resolvedType.valuesById[Number(value)] ?? value) : value
  if (LONG.test(type)) return shownLong(BigInt(String(value)), options)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  return Array.isArray(value) && type === 'bytes' ? '' : value
}

function shownLong(value: bigint, { longs }: MessageOptions): number | string {
  const plain = longs === 'number' || (value >= SMALLEST_PLAIN && value <= LARGEST_PLAIN)
  if (plain) return Number(value)
  return longs === 'string' ? `#${value}` : `#0x${BigInt.asUintN(64, value).toString(16).toUpperCase()}`
}
