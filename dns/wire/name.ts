/**
 * Domain names: in messages as labels (RFC 1035 §3.1, §4.1.4), in the program as strings in presentation format, always
 * fully qualified ('example.org.', the root is '.'). Characters that mean something in a zone file are escaped ('\.'),
 * octets outside printable ASCII too ('\200'), so that the string form is exact (RFC 4343 §2.1).
 */
import { WireError } from './errors.ts'

const DOT = 46
const BACKSLASH = 92
/** `"` `$` `(` `)` `.` `;` `@` `\` and space */
const escaped = new Set([32, 34, 36, 40, 41, DOT, 59, 64, BACKSLASH])

/** What reading a name gives: the name and the octet after it. */
export interface NameAt {
  readonly name: string
  readonly next: number
}

/** One character per octet 0-255, as it is written in presentation format. */
const presentation: readonly string[] = Array.from({ length: 256 }, (_, octet) => {
  if (escaped.has(octet)) return `\\${String.fromCharCode(octet)}`
  if (octet < 33 || octet > 126) return `\\${String(octet).padStart(3, '0')}`
  return String.fromCharCode(octet)
})

/** 1 where the octet stands for itself in presentation format. */
const plain = Uint8Array.from({ length: 256 }, (_, octet) => (presentation[octet]?.length === 1 ? 1 : 0))

/**
 * Reads the name at `offset`, following compression pointers. Pointers must lead backwards, which also ends loops.
 * Throws WireError.
 */
export function readName(message: Uint8Array, offset: number): NameAt {
  let name = ''
  let position = offset
  let next = -1
  let limit = offset
  let length = 1
  for (;;) {
    const size = message[position]
    if (size === undefined) throw new WireError('DNS_WIRE_SHORT', 'name runs past the end', position)
    if (size === 0) {
      if (next < 0) next = position + 1
      return { name: name === '' ? '.' : name, next }
    }
    if (size < 64) {
      const end = position + 1 + size
      if (end > message.length) throw new WireError('DNS_WIRE_SHORT', 'label runs past the end', position)
      length += size + 1
      if (length > 255) throw new WireError('DNS_WIRE_NAME', 'name is longer than 255 octets', offset)
      for (let i = position + 1; i < end; i += 1) name += presentation[message[i] as number] as string
      name += '.'
      position = end
      continue
    }
    if (size < 192)
      throw new WireError(
        'DNS_WIRE_NAME',
        `label type 0x${(size >> 6).toString(16)} is not defined`,
        position,
      )
    const low = message[position + 1]
    if (low === undefined) throw new WireError('DNS_WIRE_SHORT', 'pointer runs past the end', position)
    const target = ((size & 63) << 8) | low
    if (next < 0) next = position + 2
    if (target >= limit)
      throw new WireError('DNS_WIRE_POINTER', 'compression pointer does not lead backwards', position)
    limit = target
    position = target
  }
}

/** The octet after the name at `offset`, without building the name. Throws WireError. */
export function skipName(message: Uint8Array, offset: number): number {
  let position = offset
  for (;;) {
    const size = message[position]
    if (size === undefined) throw new WireError('DNS_WIRE_SHORT', 'name runs past the end', position)
    if (size === 0) return position + 1
    if (size >= 192) return position + 2
    if (size >= 64) throw new WireError('DNS_WIRE_NAME', 'label type is not defined', position)
    position += size + 1
    if (position - offset > 254)
      throw new WireError('DNS_WIRE_NAME', 'name is longer than 255 octets', offset)
  }
}

const scratch = Buffer.allocUnsafe(256)

/**
 * The question's name in lower case, for look-ups: one pass, one string. `next` is -1 when the name has octets that need
 * escaping or pointers; then `readName` has to do it.
 */
export function readLowerName(message: Uint8Array, offset: number): NameAt {
  let position = offset
  let length = 0
  for (;;) {
    const size = message[position]
    if (size === undefined || size > 63) return { name: '', next: -1 }
    position += 1
    if (size === 0) break
    if (length + size + 1 > 254) return { name: '', next: -1 }
    for (const end = position + size; position < end; position += 1) {
      const octet = message[position] as number
      if (plain[octet] !== 1) return { name: '', next: -1 }
      scratch[length] = octet > 64 && octet < 91 ? octet + 32 : octet
      length += 1
    }
    scratch[length] = DOT
    length += 1
  }
  return { name: length === 0 ? '.' : scratch.toString('latin1', 0, length), next: position }
}

/** The labels of a name as octets. Throws WireError for empty or over-long labels and names, and bad escapes. */
export function nameLabels(name: string): Uint8Array[] {
  if (name === '.' || name === '') return []
  const labels: Uint8Array[] = []
  let label: number[] = []
  let total = 1
  const finish = (): void => {
    if (label.length === 0) throw new WireError('DNS_WIRE_NAME', `name '${name}' has an empty label`)
    if (label.length > 63)
      throw new WireError('DNS_WIRE_NAME', `name '${name}' has a label longer than 63 octets`)
    total += label.length + 1
    labels.push(Uint8Array.from(label))
    label = []
  }
  for (let i = 0; i < name.length; i += 1) {
    let octet = name.charCodeAt(i)
    if (octet === DOT) {
      finish()
      continue
    }
    if (octet === BACKSLASH) {
      const digits = name.slice(i + 1, i + 4)
      if (/^\d{3}$/.test(digits)) {
        octet = Number(digits)
        i += 3
      } else {
        i += 1
        octet = i < name.length ? name.charCodeAt(i) : 256
      }
    }
    if (octet > 255)
      throw new WireError('DNS_WIRE_NAME', `name '${name}' has a bad escape or a character above 255`)
    label.push(octet)
  }
  if (label.length > 0) finish()
  if (total > 255) throw new WireError('DNS_WIRE_NAME', `name '${name}' is longer than 255 octets`)
  return labels
}

/** True when every escape, label and length of the name is right. */
export function isName(name: string): boolean {
  try {
    nameLabels(name)
    return true
  } catch {
    return false
  }
}

/** Lower case (ASCII only), with the final dot. */
export function canonicalName(name: string): string {
  const lower = asciiLower(name)
  return isQualified(lower) ? lower : `${lower}.`
}

/** ASCII lower case; other characters keep theirs (RFC 4343). */
export function asciiLower(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (part) => part.toLowerCase()) : text
}

/** True when the name ends in an unescaped dot. */
export function isQualified(name: string): boolean {
  if (!name.endsWith('.')) return false
  let backslashes = 0
  for (let i = name.length - 2; i >= 0 && name.charCodeAt(i) === BACKSLASH; i -= 1) backslashes += 1
  return backslashes % 2 === 0
}

/** Splits a qualified name into its labels as they are written: 'a.b.' gives ['a', 'b']. */
export function splitName(name: string): string[] {
  if (name === '.') return []
  if (!name.includes('\\')) return name.slice(0, -1).split('.')
  const labels: string[] = []
  let start = 0
  for (let i = 0; i < name.length; i += 1) {
    if (name.charCodeAt(i) === BACKSLASH) i += 1
    else if (name.charCodeAt(i) === DOT) {
      labels.push(name.slice(start, i))
      start = i + 1
    }
  }
  return labels
}

/** True when `name` is `zone` or below it. Both qualified and in the same case. */
export function isSubdomain(name: string, zone: string): boolean {
  if (zone === '.') return true
  if (!name.endsWith(zone)) return false
  const before = name.length - zone.length - 1
  if (before < 0) return before === -1
  return name.charCodeAt(before) === DOT && (before === 0 || name.charCodeAt(before - 1) !== BACKSLASH)
}

/** The longest of `zones` that `name` is in, or undefined. */
export function longestZone(name: string, zones: readonly string[]): string | undefined {
  let best: string | undefined
  for (const zone of zones) {
    if ((best === undefined || zone.length > best.length) && isSubdomain(name, zone)) best = zone
  }
  return best
}

/** Octets of an uncompressed name on the wire. Throws WireError. */
export function nameLength(name: string): number {
  return nameLabels(name).reduce((sum, label) => sum + label.length + 1, 1)
}
