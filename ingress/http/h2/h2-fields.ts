import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'

// RFC 9113 §8.2.2: fields of a connection, which HTTP/2 has others means for.
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'host',
])

/** The field lines of HTTP/2 headers in HTTP/1.1 form, without pseudo-fields and those of the connection. */
export function fieldLines(headers: IncomingHttpHeaders): string {
  let text = ''
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || CONNECTION_FIELDS.has(name)) continue
    // RFC 9113 §8.2.3: cookie crumbs are one field again in HTTP/1.1.
    if (name === 'cookie') text += `cookie: ${[value].flat().join('; ')}\r\n`
    else if (typeof value === 'string') text += `${name}: ${value}\r\n`
    else for (const one of value) text += `${name}: ${one}\r\n`
  }
  return text
}

/** HTTP/1.1 field lines as HTTP/2 headers. */
export function headerMap(lines: string): OutgoingHttpHeaders {
  const fields: OutgoingHttpHeaders = {}
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon === -1) continue
    const name = line.slice(0, colon).toLowerCase()
    if (CONNECTION_FIELDS.has(name)) continue
    const value = line.slice(colon + 1).trim()
    const before = fields[name]
    fields[name] = before === undefined ? value : [before, value].flat().map(String)
  }
  return fields
}

/** A request head in HTTP/1.1 form as HTTP/2 headers. */
export function requestFields(head: string, { secure }: { readonly secure: boolean }): OutgoingHttpHeaders {
  const first = head.indexOf('\r\n')
  const [method, target] = head.slice(0, first).split(' ', 2)
  const second = head.indexOf('\r\n', first + 2)
  // The writer puts Host first.
  const host = head.slice(head.indexOf(':', first) + 1, second).trim()
  const fields = headerMap(head.slice(second + 2))
  const type = fields['content-type']
  return {
    ':method': method,
    ':path': target,
    ':scheme': secure ? 'https' : 'http',
    ':authority': host,
    ...fields,
    // gRPC servers refuse clients that do not take trailers.
    ...(typeof type === 'string' && type.startsWith('application/grpc') ? { te: 'trailers' } : {}),
  }
}
