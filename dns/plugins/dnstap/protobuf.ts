/** The little of protocol buffers that dnstap messages need (https://github.com/dnstap/dnstap.pb). */
export type Field = readonly [number: number, value: Uint8Array | FieldNumber]

/** A number as a varint, or in four octets. */
export interface FieldNumber {
  readonly value: number
  readonly fixed32?: boolean
}

/** Writes fields in their order; those without a value are left out. */
export function encodeFields(fields: readonly (Field | undefined)[]): Buffer {
  const parts: Uint8Array[] = []
  for (const field of fields) {
    if (field === undefined) continue
    const [number, value] = field
    if (value instanceof Uint8Array) parts.push(varint(number * 8 + 2), varint(value.length), value)
    else if (value.fixed32 === true) {
      const octets = Buffer.alloc(4)
      octets.writeUInt32LE(value.value)
      parts.push(varint(number * 8 + 5), octets)
    } else parts.push(varint(number * 8), varint(value.value))
  }
  return Buffer.concat(parts)
}

function varint(value: number): Buffer {
  const octets: number[] = []
  let left = value
  while (left > 127) {
    octets.push((left % 128) + 128)
    left = Math.floor(left / 128)
  }
  octets.push(left)
  return Buffer.from(octets)
}
