/** LOC records as zone files write them (RFC 1876 §3). */

import type { Cursor } from './data-fields.ts'
import { ZoneError } from './errors.ts'

/** thousandths of a second of arc, from the equator and the prime meridian */
const middle = 2 ** 31
/** centimetres below the surface of the reference spheroid that altitudes count from */
const base = 10_000_000

/** DEGREES [MINUTES [SECONDS]] N|S, the same E|W, ALTITUDE[m] [SIZE[m] [HORIZONTAL[m] [VERTICAL[m]]]]. Throws ZoneError. */
export function locationData(cursor: Cursor): Buffer {
  const latitude = angle(cursor, { positive: 'N', negative: 'S', max: 90 })
  const longitude = angle(cursor, { positive: 'E', negative: 'W', max: 180 })
  const altitude = Math.round(metres(cursor.next().text) * 100) + base
  const [size = '1', horizontal = '10000', vertical = '10'] = cursor.rest().map(({ text }) => text)
  const octets = Buffer.alloc(16)
  octets[1] = precision(size)
  octets[2] = precision(horizontal)
  octets[3] = precision(vertical)
  octets.writeUInt32BE(latitude, 4)
  octets.writeUInt32BE(longitude, 8)
  octets.writeUInt32BE(altitude >>> 0, 12)
  return octets
}

function angle(cursor: Cursor, side: { positive: string; negative: string; max: number }): number {
  const limits = [side.max, 59, 59.999]
  const units = [3_600_000, 60_000, 1000]
  let sum = 0
  for (let i = 0; i <= 3; i += 1) {
    const { text } = cursor.next()
    const direction = text.toUpperCase()
    if (i > 0 && (direction === side.positive || direction === side.negative))
      return middle + (direction === side.positive ? sum : -sum)
    const value = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN
    if (!(value <= (limits[i] ?? -1))) throw new ZoneError(`'${text}' is no part of a place on earth`)
    sum += Math.round(value * (units[i] ?? 0))
  }
  throw new ZoneError(`${side.positive} or ${side.negative} is missing`)
}

function metres(text: string): number {
  const value = /^-?\d+(?:\.\d+)?m?$/i.test(text) ? Number.parseFloat(text) : Number.NaN
  if (Number.isNaN(value)) throw new ZoneError(`'${text}' is no length in metres`)
  return value
}

/** Centimetres as one digit and a power of ten. */
function precision(text: string): number {
  let digit = Math.round(metres(text) * 100)
  let exponent = 0
  for (; digit > 9; digit = Math.floor(digit / 10)) exponent += 1
  return (digit << 4) | exponent
}
