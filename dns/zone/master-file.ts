/** Zone files (RFC 1035 §5): quotes, comments, parentheses, $ORIGIN, $TTL (RFC 2308 §4), $INCLUDE, $GENERATE. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type ResourceRecord, Type } from '../wire/index.ts'
import { ZoneError } from './errors.ts'
import { generatedLines } from './generate.ts'
import { parseTtl, qualify, readRecord, type Token } from './record-text.ts'

const maxIncludes = 16

interface Line {
  readonly number: number
  readonly tokens: readonly Token[]
}

/** Splits a file into logical lines. A line that begins with white space has '' as its first token. */
export function* zoneLines(text: string): Generator<Line> {
  let tokens: Token[] = []
  let depth = 0
  let line = 1
  let first = 1
  let i = 0
  const end = (): Line | undefined => {
    const found = tokens
    tokens = []
    return found.length > (found[0]?.text === '' ? 1 : 0) ? { number: first, tokens: found } : undefined
  }
  while (i <= text.length) {
    const c = text[i]
    if (c === undefined || c === '\n') {
      if (depth === 0 || c === undefined) {
        const done = end()
        if (done !== undefined) yield done
        first = line + 1
      }
      line += 1
      i += 1
    } else if (c === ' ' || c === '\t' || c === '\r') {
      if (tokens.length === 0 && depth === 0 && (i === 0 || text[i - 1] === '\n'))
        tokens.push({ text: '', quoted: false })
      i += 1
    } else if (c === ';') {
      while (i < text.length && text[i] !== '\n') i += 1
    } else if (c === '(') {
      depth += 1
      i += 1
    } else if (c === ')') {
      depth -= 1
      i += 1
    } else {
      const quoted = c === '"'
      const start = quoted ? i + 1 : i
      let at = start
      while (at < text.length && !(quoted ? text[at] === '"' : /[\s;()"]/.test(text[at] ?? '')))
        at += text[at] === '\\' ? 2 : 1
      tokens.push({ text: text.slice(start, at), quoted })
      i = quoted ? at + 1 : at
    }
  }
  if (depth > 0) throw new ZoneError(`line ${first}: a parenthesis is not closed`)
}

/** Reads a zone file. Throws ZoneError with file and line. */
export function readZoneFile(file: string, origin: string, depth = 0): ResourceRecord[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ZoneError(
      `${file}: cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
  return parseZone(text, { origin, file, depth })
}

/** Parses the text of a zone file. Throws ZoneError with file and line. */
export function parseZone(
  text: string,
  at: { origin: string; file: string; depth?: number },
): ResourceRecord[] {
  const records: ResourceRecord[] = []
  let { origin } = at
  let ttl: number | undefined
  let owner: string | undefined
  for (const { number, tokens } of zoneLines(text)) {
    try {
      const [directive, argument, second] = tokens.map((token) => token.text)
      switch (directive?.toUpperCase()) {
        case '$ORIGIN':
          origin = qualify(argument ?? '', origin)
          continue
        case '$TTL':
          ttl = parseTtl(argument ?? '')
          if (ttl === undefined) throw new ZoneError(`'${argument}' is no time`)
          continue
        case '$INCLUDE': {
          const depth = (at.depth ?? 0) + 1
          if (depth > maxIncludes) throw new ZoneError('files include each other')
          const included = resolve(dirname(at.file), argument ?? '')
          records.push(
            ...readZoneFile(included, second === undefined ? origin : qualify(second, origin), depth),
          )
          continue
        }
        case '$GENERATE':
          for (const line of generatedLines(tokens.slice(1)))
            records.push(readRecord(line, { origin, owner, ttl }))
          continue
        default:
      }
      const record = readRecord(tokens, { origin, owner, ttl })
      owner = record.name
      // Without $TTL, the SOA's minimum is the default (RFC 1035 §3.3.13).
      if (record.type === Type.SOA && record.kind === 'soa') ttl ??= record.minimum
      records.push(record)
    } catch (error) {
      if (error instanceof ZoneError && !/:\d+: /.test(error.message))
        throw new ZoneError(`${at.file}:${number}: ${error.message}`, { cause: error })
      throw error
    }
  }
  return records
}

/** One record of text, such as a template gives. Throws ZoneError. */
export function parseRecord(text: string, origin = '.'): ResourceRecord {
  const [record, more] = parseZone(text, { origin, file: 'record' })
  if (record === undefined || more !== undefined) throw new ZoneError(`'${text}' is not one record`)
  return record
}
