import { randomBytes, randomInt } from 'node:crypto'
import { isObject, type JsonObject } from '../../objects/index.ts'

const DEPTH = 16

/** A value that a JSON Schema describes: its `example` if it has one, else something of its type. */
export function sampleOf(schema: JsonObject, depth = 0): unknown {
  if (schema.example !== undefined) return schema.example
  switch (schema.type) {
    case 'object': {
      const properties = isObject(schema.properties) && depth < DEPTH ? schema.properties : {}
      return Object.fromEntries(
        Object.entries(properties).map(([name, one]) => [
          name,
          isObject(one) ? sampleOf(one, depth + 1) : null,
        ]),
      )
    }
    case 'array': {
      const { items } = schema
      if (!isObject(items) || depth >= DEPTH) return []
      return items.example === undefined
        ? Array.from({ length: randomInt(1, 4) }, () => sampleOf(items, depth + 1))
        : [items.example]
    }
    case 'integer':
      return randomInt(1, 10_000)
    case 'number':
      return randomInt(1, 1_000_000) / 100
    case 'boolean':
      return randomInt(2) === 1
    default:
      return randomBytes(5).toString('hex')
  }
}
