import { type ClientHttp2Session, connect } from 'node:http2'
import type { SecureContextOptions } from 'node:tls'
import { type Channel, sameQuestion, UpstreamError } from './exchange.ts'

export interface HttpsChannelOptions {
  readonly address: string
  readonly port: number
  /** an idle connection is closed after this time */
  readonly expireMs: number
  /** local address */
  readonly source?: string | undefined
  readonly tls: SecureContextOptions & { readonly servername: string | undefined }
  readonly method: 'GET' | 'POST'
  readonly onUse: (how: 'hit' | 'miss') => void
}

const path = '/dns-query'
const mediaType = 'application/dns-message'

/** Queries over HTTPS (RFC 8484), all of them as streams of one HTTP/2 connection. */
export function httpsChannel(options: HttpsChannelOptions): Channel {
  const host = options.address.includes(':') ? `[${options.address}]` : options.address
  const label = `https://${host}:${options.port}`
  const { servername, ...context } = options.tls
  let session: ClientHttp2Session | undefined

  const open = (): ClientHttp2Session => {
    const opened = connect(label, {
      ...context,
      minVersion: 'TLSv1.2',
      ...(servername === undefined ? {} : { servername }),
      ...(options.source === undefined ? {} : { localAddress: options.source }),
    })
    opened.setTimeout(options.expireMs, () => opened.close())
    opened.on('error', () => undefined)
    opened.once('close', () => {
      if (session === opened) session = undefined
    })
    return opened
  }
  const pick = (): ClientHttp2Session => {
    const usable = session !== undefined && !session.closed && !session.destroyed
    options.onUse(usable ? 'hit' : 'miss')
    if (!usable || session === undefined) session = open()
    return session
  }

  const exchange = (query: Uint8Array, questionEnd: number, timeoutMs: number): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const octets = Buffer.from(query)
      // The id is not needed on a stream of one's own; 0 lets caches on the way share answers (RFC 8484 §4.1).
      octets.writeUInt16BE(0, 0)
      const get = options.method === 'GET'
      const stream = pick().request({
        ':method': options.method,
        ':path': get ? `${path}?dns=${octets.toString('base64url')}` : path,
        ':authority': servername ?? host,
        accept: mediaType,
        ...(get ? {} : { 'content-type': mediaType, 'content-length': octets.length }),
      })
      const fail = (code: UpstreamError['code'], reason: string, cause?: unknown): void => {
        stream.close()
        reject(new UpstreamError(code, `${label}: ${reason}`, { cause }))
      }
      const timer = setTimeout(
        () => fail('DNS_UPSTREAM_TIMEOUT', `no answer within ${timeoutMs} ms`),
        timeoutMs,
      )
      const chunks: Buffer[] = []
      let status = 0
      stream.on('response', (headers) => {
        status = headers[':status'] ?? 0
      })
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', (cause) => {
        clearTimeout(timer)
        fail('DNS_UPSTREAM_UNREACHABLE', cause.message, cause)
      })
      stream.on('close', () => {
        clearTimeout(timer)
        const reply = Buffer.concat(chunks)
        if (status !== 200) fail('DNS_UPSTREAM_UNREACHABLE', `status ${status}`)
        else if (reply.length < 12 || !sameQuestion(reply, { query, questionEnd }))
          fail('DNS_UPSTREAM_UNREACHABLE', 'the answer is for another question')
        else resolve(reply)
      })
      stream.end(get ? undefined : octets)
    })

  return { exchange, close: () => session?.close() }
}
