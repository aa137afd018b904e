/** DNS over HTTPS (RFC 8484): GET and POST of /dns-query, HTTP/2 and HTTP/1.1. */
import { once } from 'node:events'
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import { isIPv6 } from 'node:net'
import { scanTtl } from '../core/prepared.ts'
import type { Peer } from '../core/query.ts'
import { DnsError } from '../errors.ts'
import { unmapped } from './tcp.ts'
import { guard, secureContext, type TlsSettings } from './tls.ts'
import type { Listener, Receiver } from './transport.ts'

const path = '/dns-query'
const mediaType = 'application/dns-message'
const maxMessage = 65_535

export interface HttpsOptions {
  /** undefined: every local address */
  readonly address: string | undefined
  readonly port: number
  /** several sockets share address and port (worker processes) */
  readonly reusePort?: boolean | undefined
  readonly tls: TlsSettings
  readonly idleTimeoutMs: number
  readonly receiver: Receiver
  onStatus(status: number): void
}

/** Listens. Throws DnsError DNS_LISTEN. */
export async function listenHttps(options: HttpsOptions): Promise<Listener> {
  const { requestCert, rejectUnauthorized } = options.tls
  const server = createSecureServer({
    ...secureContext(options.tls),
    requestCert,
    rejectUnauthorized,
    allowHTTP1: true,
  })
  guard(server, options.tls)
  const host = options.address ?? '::'
  try {
    server.listen({
      host,
      port: options.port,
      ipv6Only: options.address !== undefined && isIPv6(host),
      reusePort: options.reusePort === true,
    })
    await once(server, 'listening')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new DnsError(
      'DNS_LISTEN',
      `cannot listen on https ${options.address ?? '*'} port ${options.port}: ${reason}`,
      {
        cause,
      },
    )
  }
  server.setTimeout(options.idleTimeoutMs)
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.port
  let underWay = 0
  let idle: (() => void) | undefined
  const listener: Listener = {
    transport: 'https',
    receiver: options.receiver,
    addresses: () => [host],
    port: () => port,
    renew: (settings) => server.setSecureContext(secureContext(settings)),
    close: async (graceMs) => {
      closeServer(server)
      if (underWay === 0) return
      await new Promise<void>((resolve) => {
        idle = resolve
        setTimeout(resolve, graceMs).unref()
      })
    },
  }
  server.on('error', () => undefined)
  server.on('sessionError', () => undefined)
  server.on('request', (request, response) => {
    const finish = (status: number, octets?: Buffer): void => {
      options.onStatus(status)
      respond(response, status, octets)
    }
    underWay += 1
    response.once('close', () => {
      underWay -= 1
      if (underWay === 0) idle?.()
    })
    readQuery(request).then(
      (query) => {
        if (typeof query === 'number') finish(query)
        else
          listener.receiver(query, peerOf(request), (octets) => {
            if (octets === undefined) finish(500)
            else finish(200, octets)
          })
      },
      () => finish(400),
    )
  })
  return listener
}

function closeServer(server: Http2SecureServer): void {
  server.close()
}

/** The query, or the status to answer with. */
async function readQuery(request: Http2ServerRequest): Promise<Buffer | number> {
  const url = new URL(request.url, 'https://localhost')
  if (url.pathname !== path) return 404
  if (request.method === 'GET') {
    const text = url.searchParams.get('dns')
    if (text === null || !/^[A-Za-z0-9_-]+={0,2}$/.test(text)) return 400
    return checked(Buffer.from(text, 'base64url'))
  }
  if (request.method !== 'POST') return 405
  if (request.headers['content-type'] !== mediaType) return 415
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxMessage) return 413
    chunks.push(chunk)
  }
  return checked(Buffer.concat(chunks))
}

function checked(octets: Buffer): Buffer | number {
  return octets.length < 12 ? 400 : octets
}

function respond(response: Http2ServerResponse, status: number, octets: Buffer | undefined): void {
  if (octets === undefined) {
    response.writeHead(status, { 'content-type': 'text/plain' }).end(`${status}\n`)
    return
  }
  response.writeHead(status, {
    'content-type': mediaType,
    'content-length': octets.length,
    'cache-control': `max-age=${scanTtl(octets) ?? 0}`,
  })
  // The octets are good only until this returns.
  response.end(Buffer.from(octets))
}

function peerOf(request: Http2ServerRequest): Peer {
  const { remoteAddress, remotePort, localAddress, localPort } = request.socket
  const clientAddress = unmapped(remoteAddress)
  return {
    transport: 'https',
    clientFamily: clientAddress.includes(':') ? 6 : 4,
    clientAddress,
    clientPort: remotePort ?? 0,
    localAddress: unmapped(localAddress),
    localPort: localPort ?? 0,
  }
}
