// Gateways that speak HTTP/2 to the servers of a test.
import http2 from 'node:http2'
import type net from 'node:net'
import type { ExecutionContext } from 'ava'
import { type TestGateway, testGateway } from './gateway.ts'
import { type Frame, Type } from './h2-server.ts'

/** A route for everything to these servers in HTTP/2. */
export function route(gateway: TestGateway, ports: readonly number[], upstream: object = {}): Promise<void> {
  const nodes = Object.fromEntries(ports.map((port) => [`127.0.0.1:${port}`, 1]))
  return gateway.put('/routes/1', { uri: '/*', upstream: { scheme: 'grpc', nodes, ...upstream } })
}

export async function served(t: ExecutionContext, port: number, upstream?: object): Promise<TestGateway> {
  const gateway = await testGateway(t)
  await route(gateway, [port], upstream)
  return gateway
}

type Stream = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void

/** A node:http2 server; `sessions` are those so far. */
export async function nodeServer(t: ExecutionContext, onStream: Stream, options: http2.ServerOptions = {}) {
  const server = http2.createServer(options)
  const sessions: http2.ServerHttp2Session[] = []
  server.on('session', (session) => {
    session.on('error', () => {})
    sessions.push(session)
  })
  server.on('stream', (stream: http2.ServerHttp2Stream, fields: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {})
    onStream(stream, fields)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { port: (server.address() as net.AddressInfo).port, sessions }
}

export const post = (url: string, body: string) => fetch(url, { method: 'POST', body })
export const isRequest = ({ type }: Frame) => type === Type.headers
export const ended = ({ flags, type }: Frame) =>
  (type === Type.data || type === Type.headers) && (flags & 1) === 1
