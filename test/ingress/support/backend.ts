import http from 'node:http'
import net from 'node:net'
import type { ExecutionContext } from 'ava'

export interface Backend {
  readonly port: number
  readonly host: string
  /** Requests seen, in order. */
  readonly seen: {
    readonly method: string
    readonly url: string
    readonly headers: http.IncomingHttpHeaders
  }[]
  close(): Promise<void>
}

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void

const echo: Handler = (request, response) => {
  request.pipe(response)
}

/** A node:http server on a free port: /echo gives the body back, anything else JSON about the request. */
export async function httpBackend(
  t: ExecutionContext,
  options: { readonly name?: string; readonly handler?: Handler; readonly host?: string } = {},
): Promise<Backend> {
  const seen: { method: string; url: string; headers: http.IncomingHttpHeaders }[] = []
  const server = http.createServer((request, response) => {
    const { method = '', url = '', headers } = request
    seen.push({ method, url, headers })
    if (options.handler !== undefined) return options.handler(request, response)
    if (url.startsWith('/echo')) return echo(request, response)
    request.resume()
    request.on('end', () => {
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ name: options.name ?? 'backend', method, url, headers }))
    })
  })
  const host = options.host ?? '127.0.0.1'
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  t.teardown(close)
  return { port: (server.address() as net.AddressInfo).port, host, seen, close }
}

/** A TCP server that talks raw bytes; `serve` gets each connection. */
export async function rawBackend(t: ExecutionContext, serve: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as net.AddressInfo).port
}

/** A port that nothing listens on: tcpmux. A port that was free a moment ago may be another test's by now. */
export const CLOSED_PORT = 1
