import type { Exchange, ExchangeConnection } from './exchange.ts'
import { Field, fieldMask } from './fields.ts'

const REQUEST_SKIP = fieldMask(
  Field.host,
  Field.connection,
  Field.keepAlive,
  Field.proxyConnection,
  Field.contentLength,
  Field.transferEncoding,
  Field.expect,
  Field.upgrade,
  Field.te,
  Field.trailer,
  Field.http2Settings,
  Field.forwarded,
  Field.xForwardedFor,
  Field.xForwardedProto,
  Field.xForwardedHost,
  Field.xForwardedPort,
  Field.xRealIp,
)

const PROXY_FIELDS = [
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-real-ip',
] as const

const OWN_REQUEST_EDITS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'content-length',
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'trailer',
  ...PROXY_FIELDS,
])

export interface OutgoingRequest {
  readonly method: string
  /** Path and query, already in wire form. */
  readonly target: string
  readonly host: string
  readonly upgrade: string | undefined
  /** The address the gateway holds for the client's (the peer, unless real-ip says otherwise). */
  readonly clientAddress: string
  readonly scheme: string
  readonly port: number
  /** The Host as the client sent it. */
  readonly clientHost: string
  /** The peer is one whose X-Forwarded-* are believed. */
  readonly trusted: boolean
}

/** The proxy fields of a request, and what they were made from. */
export interface ClientFields {
  readonly address: string
  readonly scheme: string
  readonly host: string
  readonly text: string
}

/** The port in a Host. */
function namedPort(host: string): string | undefined {
  return /:(\d+)$/.exec(host)?.[1]
}

/** The proxy fields of a request that came without any: on one connection nearly always the same, so the last are kept. */
function clientFields(connection: ExchangeConnection, out: OutgoingRequest): string {
  const { clientAddress: address, scheme, clientHost: host } = out
  const kept = connection.clientFields
  if (kept !== undefined && kept.host === host && kept.address === address && kept.scheme === scheme)
    return kept.text
  const text = [
    `X-Real-IP: ${address}\r\nX-Forwarded-For: ${address}\r\nX-Forwarded-Proto: ${scheme}\r\n`,
    `X-Forwarded-Host: ${host || out.host}\r\nX-Forwarded-Port: ${namedPort(host) ?? out.port}\r\n`,
  ].join('')
  if (host !== '') connection.clientFields = { address, scheme, host, text }
  return text
}

/** The head of the request to the upstream: one string, arrived fields copied in runs. Proxy fields as nginx/APISIX set them. */
export function writeRequestHead(exchange: Exchange, out: OutgoingRequest): string {
  const { headers, framing, body } = exchange
  let text = `${out.method} ${out.target} HTTP/1.1\r\nHost: ${out.host}\r\n`
  const forwarded =
    exchange.request.find(Field.xForwardedFor) !== -1 ||
    (headers.edited && PROXY_FIELDS.some((name) => headers.isEdited(name)))
  const chain = forwarded ? headers.get('x-forwarded-for') : undefined
  const via = chain === undefined ? out.clientAddress : `${chain}, ${out.clientAddress}`
  if (!forwarded && !out.trusted) text += clientFields(exchange.connection, out)
  else {
    const kept = (name: string) => headers.editedValue(name) || (out.trusted ? headers.get(name) : undefined)
    text += `X-Real-IP: ${headers.editedValue('x-real-ip') ?? out.clientAddress}\r\nX-Forwarded-For: ${via}\r\n`
    // An empty field says nothing; one that a plugin took away is not told anew.
    const told = (name: string, lower: string, own: string | number) =>
      headers.isRemoved(lower) ? '' : `${name}: ${kept(lower) || own}\r\n`
    text += told('X-Forwarded-Proto', 'x-forwarded-proto', out.scheme)
    text += told('X-Forwarded-Host', 'x-forwarded-host', out.clientHost || out.host)
    text += told('X-Forwarded-Port', 'x-forwarded-port', namedPort(out.clientHost) || out.port)
    const elements = out.trusted ? headers.get('forwarded') : undefined
    if (elements !== undefined) text += `Forwarded: ${elements}\r\n`
  }
  text += headers.serialize(REQUEST_SKIP, framing.options, OWN_REQUEST_EDITS)
  if (out.upgrade !== undefined) text += `Connection: upgrade\r\nUpgrade: ${out.upgrade}\r\n`
  if (exchange.collected !== undefined) text += `Content-Length: ${exchange.collected.length}\r\n`
  else if (exchange.chunksBody) text += 'Transfer-Encoding: chunked\r\n'
  else if (body.kind === 'length') text += `Content-Length: ${framing.length}\r\n`
  else if (framing.length === 0 && exchange.request.find(Field.contentLength) !== -1)
    text += 'Content-Length: 0\r\n'
  return `${text}\r\n`
}
