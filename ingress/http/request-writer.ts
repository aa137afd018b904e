import type { Exchange } from './exchange.ts'
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
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-real-ip',
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

/** The head of the request to the upstream: one string, arrived fields copied in runs. Proxy fields as nginx/APISIX set them. */
export function writeRequestHead(exchange: Exchange, out: OutgoingRequest): string {
  const { headers, framing, body } = exchange
  let text = `${out.method} ${out.target} HTTP/1.1\r\nHost: ${out.host}\r\n`
  const edited = headers.edited
  const forwarded = edited || exchange.request.find(Field.xForwardedFor) !== -1
  const chain = forwarded ? headers.get('x-forwarded-for') : undefined
  const via = chain === undefined ? out.clientAddress : `${chain}, ${out.clientAddress}`
  if (!edited && !out.trusted) {
    text += `X-Real-IP: ${out.clientAddress}\r\nX-Forwarded-For: ${via}\r\nX-Forwarded-Proto: ${out.scheme}\r\n`
    text += `X-Forwarded-Host: ${out.clientHost}\r\nX-Forwarded-Port: ${out.port}\r\n`
  } else {
    const kept = (name: string) => headers.editedValue(name) ?? (out.trusted ? headers.get(name) : undefined)
    text += `X-Real-IP: ${headers.editedValue('x-real-ip') ?? out.clientAddress}\r\nX-Forwarded-For: ${via}\r\n`
    text += `X-Forwarded-Proto: ${kept('x-forwarded-proto') ?? out.scheme}\r\n`
    text += `X-Forwarded-Host: ${kept('x-forwarded-host') ?? out.clientHost}\r\n`
    text += `X-Forwarded-Port: ${kept('x-forwarded-port') ?? out.port}\r\n`
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
