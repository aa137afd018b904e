import http2 from 'node:http2'
import type net from 'node:net'
import type { ExecutionContext } from 'ava'

/** A gRPC message on the wire: not compressed, its length, its bytes. */
export function frame(text: string): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(Buffer.byteLength(text), 1)
  return Buffer.concat([head, Buffer.from(text)])
}

/** Cuts a byte stream into gRPC messages. */
export class Messages {
  #pieces: Buffer[] = []
  #size = 0
  #wanted = 5

  add(chunk: Buffer): string[] {
    this.#pieces.push(chunk)
    this.#size += chunk.length
    const found: string[] = []
    while (this.#size >= this.#wanted) {
      const held = Buffer.concat(this.#pieces)
      const end = 5 + held.readUInt32BE(1)
      if (held.length >= end) found.push(held.toString('utf8', 5, end))
      const rest = held.length >= end ? held.subarray(end) : held
      this.#pieces = [rest]
      this.#size = rest.length
      this.#wanted = held.length >= end ? 5 : end
    }
    return found
  }
}

export interface GrpcServer {
  readonly port: number
  readonly seen: http2.IncomingHttpHeaders[]
  /** Streams the client cancelled. */
  cancelled: number
  connections: number
}

/** A gRPC server on node:http2: /t.T/Echo answers each message with itself, /t.T/Fail with a status and no message. */
export async function grpcServer(
  t: ExecutionContext,
  options: { readonly tls?: http2.SecureServerOptions; readonly refuse?: boolean } = {},
): Promise<GrpcServer> {
  const server = options.tls === undefined ? http2.createServer() : http2.createSecureServer(options.tls)
  const state: GrpcServer = { port: 0, seen: [], cancelled: 0, connections: 0 }
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => {
    state.connections++
    sessions.add(session)
    session.on('error', () => {})
  })
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {})
    stream.on('close', () => {
      if (stream.rstCode === http2.constants.NGHTTP2_CANCEL) state.cancelled++
    })
    if (options.refuse === true) return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
    state.seen.push(headers)
    if (headers[':path'] === '/t.T/Fail') {
      stream.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc',
          'grpc-status': '5',
          'grpc-message': 'no such book',
        },
        { endStream: true },
      )
      return undefined
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': '', 'x-last': 'yes' }),
    )
    const messages = new Messages()
    stream.on('data', (chunk: Buffer) => {
      for (const message of messages.add(chunk)) stream.write(frame(message))
    })
    stream.on('end', () => stream.end())
    return undefined
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return Object.assign(state, { port: (server.address() as net.AddressInfo).port })
}

export interface Call {
  readonly stream: http2.ClientHttp2Stream
  readonly messages: string[]
  readonly done: Promise<{
    headers: http2.IncomingHttpHeaders
    trailers: http2.IncomingHttpHeaders
    flags: number
  }>
  /** Resolves once that many messages have arrived. */
  received(count: number): Promise<void>
}

/** Opens a gRPC call; messages are written to `stream`. */
export function call(session: http2.ClientHttp2Session, path: string, authority: string): Call {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    ':authority': authority,
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': '30S',
  })
  const parser = new Messages()
  const messages: string[] = []
  const waiting = new Set<() => void>()
  let headers: http2.IncomingHttpHeaders = {}
  let trailers: http2.IncomingHttpHeaders = {}
  let flags = 0
  stream.on('response', (one, bits) => {
    headers = one
    flags = bits
  })
  stream.on('trailers', (one: http2.IncomingHttpHeaders) => {
    trailers = one
  })
  stream.on('data', (chunk: Buffer) => {
    messages.push(...parser.add(chunk))
    for (const look of waiting) look()
  })
  const done = new Promise<{
    headers: http2.IncomingHttpHeaders
    trailers: http2.IncomingHttpHeaders
    flags: number
  }>((resolve, reject) => {
    stream.on('end', () => resolve({ headers, trailers, flags }))
    stream.on('error', reject)
  })
  done.catch(() => {})
  const received = (count: number) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (messages.length < count) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  return { stream, messages, done, received }
}
