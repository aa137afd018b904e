import { CONNECTION_FIELDS } from './connection-fields.ts'
import { STATIC } from './hpack-tables.ts'

/** Literals without indexing, and those that no proxy may put into its tables either (RFC 7541 §6.2). */
const PLAIN = 0x00
const NEVER = 0x10
const SECRETS: ReadonlySet<string> = new Set(['set-cookie', 'authorization', 'proxy-authorization'])
const REMEMBERED = 500

const statuses = new Map<number, string>()
const names = new Map<string, number>()
for (const [at, [name, value]] of STATIC.entries()) {
  if (!names.has(name)) names.set(name, at + 1)
  if (name === ':status') statuses.set(Number(value), String.fromCharCode(0x80 | (at + 1)))
}

/** How names begin their literals, by name as it was written; '' for those that HTTP/2 does not have. */
const beginnings = new Map<string, string>()

function number(prefix: number, bits: number, value: number): string {
  const most = (1 << bits) - 1
  if (value < most) return String.fromCharCode(prefix | value)
  let text = String.fromCharCode(prefix | most)
  let rest = value - most
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) text += String.fromCharCode((rest % 0x80) | 0x80)
  return text + String.fromCharCode(rest)
}

function beginning(written: string): string {
  const known = beginnings.get(written)
  if (known !== undefined) return known
  const name = written.toLowerCase()
  const kind = SECRETS.has(name) ? NEVER : PLAIN
  const index = names.get(name) ?? 0
  const literal = number(kind, 4, index) + (index === 0 ? number(0, 7, name.length) + name : '')
  const text = CONNECTION_FIELDS.has(name) ? '' : literal
  if (beginnings.size >= REMEMBERED) beginnings.clear()
  beginnings.set(written, text)
  return text
}

/**
 * A field of a header block. Blocks are made as latin-1 strings. They use the static table only, so no state ties the
 * blocks of a connection together: a few bytes more for far less work. Fields of an HTTP/1.1 connection give nothing.
 */
export function encodeField(name: string, value: string): string {
  const start = beginning(name)
  return start === '' ? '' : start + number(0, 7, value.length) + value
}

export function encodeStatus(status: number): string {
  return statuses.get(status) ?? encodeField(':status', String(status))
}
