import { define, type Field } from './field.ts'

/** A map of base64 texts, decoded. Line breaks inside are allowed, anything else that is no base64 is a problem. */
export function base64MapIn(field: Field): Record<string, Buffer> {
  const map: Record<string, Buffer> = {}
  for (const [name, item] of field.entries()) {
    // From protobuf, and from YAML's !!binary, they come as bytes.
    if (item.value instanceof Uint8Array) {
      define(map, name, Buffer.from(item.value))
      continue
    }
    const text = item.string().replace(/\s+/g, '')
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) {
      // The value may be a secret put in the wrong place: not quoted.
      item.reject('is not base64; use stringData for plain text')
      continue
    }
    define(map, name, Buffer.from(text, 'base64'))
  }
  return map
}
