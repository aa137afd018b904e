import type { FieldTable } from '../fields.ts'
import { CONNECTION_FIELDS } from './connection-fields.ts'
import { headBytes } from './head-memory.ts'
import type { Fields } from './hpack-decoder.ts'

/** RFC 9113 §8.2.1: tokens in lower case. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** What would end a word of HTTP/1.1's first line, or the line. */
const WORD_END = /[\0\r\n ]/
/** RFC 9113 §8.6: there is no 101 in HTTP/2. */
const STATUS = /^(?!101)[1-9][0-9][0-9]$/
/** Names found to be good: nearly all come again and again. */
const known = new Set<string>()
const MOST_KNOWN = 500

/** A head in HTTP/1.1 form, and how many fields a reader must find in it: a value with line breaks would make it more. */
export interface HeadText {
  readonly text: string
  readonly count: number
}

/**
 * A request's head in HTTP/1.1 form; undefined if it is malformed in ways that only HTTP/2 has. It goes through the same strict
 * parser as everybody's, so a value that would read differently once it is HTTP/1.1 (smuggling by downgrade) is refused
 * like there.
 */
export function requestText(fields: Fields): HeadText | undefined {
  let at = 0
  const pseudo = { method: '', scheme: '', path: '', authority: undefined as string | undefined }
  for (; at < fields.length; at++) {
    const [name, value] = fields[at] as Fields[number]
    if (name.charCodeAt(0) !== 0x3a) break
    if (WORD_END.test(value)) return undefined
    if (name === ':method' && pseudo.method === '') pseudo.method = value
    else if (name === ':scheme' && pseudo.scheme === '') pseudo.scheme = value
    else if (name === ':path' && pseudo.path === '') pseudo.path = value
    else if (name === ':authority' && pseudo.authority === undefined) pseudo.authority = value
    else return undefined
  }
  const { method, scheme, path } = pseudo
  // CONNECT has neither scheme nor path, and no use here.
  if (method === '' || path === '' || scheme === '') return undefined
  let host = pseudo.authority
  let lines = ''
  let count = 1
  let cookie: string | undefined
  for (; at < fields.length; at++) {
    const [name, value] = fields[at] as Fields[number]
    if (!isFieldName(name) || (name === 'te' && value !== 'trailers')) return undefined
    if (name === 'host') {
      if (host !== undefined && host !== value) return undefined
      host = value
      // RFC 9113 §8.2.3: cookie crumbs are one field again in HTTP/1.1.
    } else if (name === 'cookie') cookie = cookie === undefined ? value : `${cookie}; ${value}`
    else {
      lines += `${name}: ${value}\r\n`
      count++
    }
  }
  if (cookie !== undefined) {
    lines += `cookie: ${cookie}\r\n`
    count++
  }
  return { text: `${method} ${path} HTTP/1.1\r\nhost: ${host ?? ''}\r\n${lines}\r\n`, count }
}

/** A response's head in HTTP/1.1 form; undefined if it is malformed, as above. */
export function responseText(fields: Fields): HeadText | undefined {
  const [first] = fields
  if (first?.[0] !== ':status' || !STATUS.test(first[1])) return undefined
  return lineText(`HTTP/1.1 ${first[1]} \r\n`, fields, 1)
}

/** Fields from `at` on as lines, behind what begins the text; undefined if one is malformed. */
function lineText(begin: string, fields: Fields, at: number): HeadText | undefined {
  let text = begin
  for (let n = at; n < fields.length; n++) {
    const [name, value] = fields[n] as Fields[number]
    if (!isFieldName(name)) return undefined
    text += `${name}: ${value}\r\n`
  }
  return { text: `${text}\r\n`, count: fields.length - at }
}

/** The fields of a trailer section, in that table; undefined if it is malformed, or too large to be known. */
export function parseTrailers(fields: Fields | undefined, table: FieldTable): FieldTable | undefined {
  const lines = fields === undefined ? undefined : lineText('', fields, 0)
  if (lines === undefined) return undefined
  const size = lines.text.length
  const next = table.parseFields(headBytes(table, lines.text), 0, size)
  return next === size && table.count === lines.count ? table : undefined
}

function isFieldName(name: string): boolean {
  if (known.has(name)) return true
  if (!NAME.test(name) || CONNECTION_FIELDS.has(name)) return false
  if (known.size < MOST_KNOWN && name.length < 64) known.add(name)
  return true
}
