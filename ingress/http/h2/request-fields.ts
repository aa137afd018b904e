/** Fields of an HTTP/1.1 connection: a request that has one is malformed (RFC 9113 §8.2.2). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])
const PSEUDO: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path'])

type Fields = readonly (readonly [name: string, value: string])[]

/** RFC 9113 §8.2.1: tokens in lower case. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
/** What would end a line of HTTP/1.1, or a word of its first one. */
const LINE_END = /[\0\r\n]/
const WORD_END = /[\0\r\n ]/

/**
 * The head in HTTP/1.1 form; undefined if it is malformed in ways that only HTTP/2 has. It goes through the same strict
 * parser as everybody's, so a value that would read differently once it is HTTP/1.1 (smuggling by downgrade) is refused
 * like there.
 */
export function headText(fields: Fields): string | undefined {
  const pseudo: Record<string, string | undefined> = {}
  let at = 0
  for (; at < fields.length; at++) {
    const [name, value] = fields[at] as Fields[number]
    if (name.charCodeAt(0) !== 0x3a) break
    if (!PSEUDO.has(name) || pseudo[name] !== undefined || WORD_END.test(value)) return undefined
    pseudo[name] = value
  }
  const { ':method': method, ':path': path, ':authority': authority } = pseudo
  // CONNECT has neither scheme nor path, and no use here.
  if (!method || !path || pseudo[':scheme'] === undefined) return undefined
  let host = authority
  let lines = ''
  let cookie: string | undefined
  for (; at < fields.length; at++) {
    const [name, value] = fields[at] as Fields[number]
    if (!isField(name, value) || (name === 'te' && value !== 'trailers')) return undefined
    if (name === 'host') {
      if (host !== undefined && host !== value) return undefined
      host = value
      // RFC 9113 §8.2.3: cookie crumbs are one field again in HTTP/1.1.
    } else if (name === 'cookie') cookie = cookie === undefined ? value : `${cookie}; ${value}`
    else lines += `${name}: ${value}\r\n`
  }
  if (cookie !== undefined) lines += `cookie: ${cookie}\r\n`
  return `${method} ${path} HTTP/1.1\r\nhost: ${host ?? ''}\r\n${lines}\r\n`
}

/** The lines of a trailer section; undefined if it is malformed. */
export function trailerText(fields: Fields): string | undefined {
  if (!fields.every(([name, value]) => isField(name, value))) return undefined
  return `${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

function isField(name: string, value: string): boolean {
  return NAME.test(name) && !LINE_END.test(value) && !CONNECTION_FIELDS.has(name)
}
