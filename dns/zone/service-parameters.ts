/** Parameters of SVCB and HTTPS records as zone files write them (RFC 9460 §2.1, §7, Appendix A). */
import { parseIPv4, parseIPv6 } from '../wire/index.ts'
import { type Cursor, number, u16Octets, unescapeText } from './data-fields.ts'
import { ZoneError } from './errors.ts'

const keys: Readonly<Record<string, number>> = {
  mandatory: 0,
  alpn: 1,
  'no-default-alpn': 2,
  port: 3,
  ipv4hint: 4,
  ech: 5,
  ipv6hint: 6,
  dohpath: 7,
  ohttp: 8,
}

/** The parameters that are left, in the order of their keys as the wire wants them. Throws ZoneError. */
export function serviceParameters(cursor: Cursor): Buffer {
  const parameters = new Map<number, Buffer>()
  const tokens = cursor.rest()
  for (let i = 0; i < tokens.length; i += 1) {
    const text = tokens[i]?.text ?? ''
    const equals = text.indexOf('=')
    const key = keyNumber(equals < 0 ? text : text.slice(0, equals))
    let value = equals < 0 ? '' : text.slice(equals + 1)
    // key="value": the reader of lines made two tokens of it
    if (equals === text.length - 1 && tokens[i + 1]?.quoted === true) {
      i += 1
      value = tokens[i]?.text ?? ''
    }
    if (parameters.has(key)) throw new ZoneError(`parameter '${text}' occurs twice`)
    parameters.set(key, valueOctets(key, value))
  }
  return Buffer.concat(
    [...parameters]
      .sort(([a], [b]) => a - b)
      .flatMap(([key, value]) => [u16Octets(key), u16Octets(value.length), value]),
  )
}

function keyNumber(name: string): number {
  if (Object.hasOwn(keys, name)) return keys[name] ?? 0
  const digits = /^key(\d{1,5})$/.exec(name)?.[1]
  if (digits === undefined) throw new ZoneError(`'${name}' is no parameter of a service binding`)
  return number(digits, 65_535)
}

function valueOctets(key: number, value: string): Buffer {
  switch (key) {
    case 0: {
      const numbers = value.split(',').map(keyNumber)
      return Buffer.concat(numbers.sort((a, b) => a - b).map(u16Octets))
    }
    case 1:
      return Buffer.concat(
        listed(value).map((id) => Buffer.from(`${String.fromCharCode(id.length)}${id}`, 'latin1')),
      )
    case 2:
    case 8:
      if (value !== '') throw new ZoneError(`parameter key${key} has no value`)
      return Buffer.alloc(0)
    case 3:
      return u16Octets(number(value, 65_535))
    case 4:
      return Buffer.concat(value.split(',').map((text) => address(text, parseIPv4(text))))
    case 5:
      return Buffer.from(value, 'base64')
    case 6:
      return Buffer.concat(value.split(',').map((text) => address(text, parseIPv6(text))))
    default:
      return Buffer.from(unescapeText(value), 'latin1')
  }
}

/** A list with commas; '\,' in a member is '\\,' in the file (RFC 9460 Appendix A.1). */
function listed(value: string): string[] {
  const members = unescapeText(value).match(/(?:\\.|[^,\\])+/gs) ?? []
  return members.map((member) => member.replace(/\\(.)/gs, '$1'))
}

function address(text: string, octets: Uint8Array | undefined): Uint8Array {
  if (octets === undefined) throw new ZoneError(`'${text}' is no address of this family`)
  return octets
}
