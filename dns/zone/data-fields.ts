/** What record data in zone files is made of: tokens in a row, and how one token becomes octets. */
import { ZoneError } from './errors.ts'
import type { Token } from './record-text.ts'

/** The tokens of a record's data, taken one after the other. */
export interface Cursor {
  next(): Token
  /** what is left */
  rest(): Token[]
  /** the next token as a qualified name */
  name(): string
}

/** Octets of hexadecimal digits; exactly `length` of them if given. Throws ZoneError. */
export function hexOctets(text: string, length?: number): Buffer {
  const octets = Buffer.from(text, 'hex')
  if (octets.length * 2 !== text.length || (length !== undefined && octets.length !== length))
    throw new ZoneError(`'${text}' is not ${length ?? 'a number of'} octets in hexadecimal digits`)
  return octets
}

/** A whole number from 0. Throws ZoneError. */
export function number(text: string, max: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(value <= max)) throw new ZoneError(`'${text}' is no number up to ${max}`)
  return value
}

/** '\"' and '\065' of character strings. */
export function unescapeText(text: string): string {
  return text.replace(/\\(\d{3}|.)/gs, (_, what: string) =>
    /^\d{3}$/.test(what) ? String.fromCharCode(Number(what) & 255) : what,
  )
}

/** Two octets, big-endian. */
export function u16Octets(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255])
}

/** Four octets, big-endian. */
export function u32Octets(value: number): Buffer {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return octets
}
