// The load generators: wrk for HTTP/1.1, h2load for HTTP/2, and a WebSocket echo client. All on CPU 1.
import { output } from '../support/process.ts'
import { type Ports, requestHeaders } from './contenders.ts'

export interface Load {
  readonly tool: 'wrk' | 'h2load' | 'grpc' | 'websocket'
  readonly connections: number
  readonly path: string
  readonly tls?: boolean
  readonly close?: boolean
  readonly headers?: readonly string[]
}

export interface Measured {
  readonly requests: number
  /** Milliseconds; NaN if the tool does not say. */
  readonly p99: number
  readonly errors: number
}

export async function run(
  load: Load,
  ports: Ports,
  /** `message`: a file with a gRPC message. */
  { seconds, message }: { readonly seconds: number; readonly message: string },
): Promise<Measured> {
  if (load.tool === 'h2load')
    return h2load(load, `https://127.0.0.1:${ports.tls}`, browserFields, [`-D${seconds}`])
  if (load.tool === 'grpc')
    return h2load(load, `http://127.0.0.1:${ports.h2c}`, grpcFields, [`-D${seconds}`, '-d', message])
  if (load.tool === 'websocket') return websocket(load, ports.plain, seconds)
  return wrk(load, ports, seconds)
}

async function wrk(load: Load, ports: Ports, seconds: number): Promise<Measured> {
  const { connections, path, tls = false, close = false, headers = requestHeaders } = load
  const sent = close ? [...headers, 'Connection: close'] : headers
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${tls ? ports.tls : ports.plain}${path}`
  const text = await output('taskset', [
    ...['-c', '1', 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '--timeout', '10s'],
    ...sent.flatMap((header) => ['-H', header]),
    url,
  ])
  const [, value = 'NaN', unit = 'ms'] = /99%\s+([\d.]+)(us|ms|s)/.exec(text) ?? []
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)
  // Whoever asks for the end of the connection gets it, which wrk counts as an error of reading.
  const counted = socketErrors?.slice(1).map(Number) ?? []
  const socket = counted.reduce((sum, count, index) => sum + (close && index === 1 ? 0 : count), 0)
  return {
    requests: Number(/(\d+) requests in/.exec(text)?.[1]),
    p99: Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit as 'us' | 'ms' | 's'],
    errors: socket + Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
  }
}

const browserFields = requestHeaders.filter((one) => !one.startsWith('Host:'))
/** What a gRPC client sends, and a small message of its own. */
const grpcFields = [
  'content-type: application/grpc',
  'te: trailers',
  'user-agent: grpc-go/1.70.0',
  'grpc-accept-encoding: gzip',
  'grpc-timeout: 30S',
  'authorization: Bearer 8f14e45fceea167a5a36dedd4bea2543',
]

async function h2load(
  { connections, path }: Load,
  url: string,
  fields: readonly string[],
  options: readonly string[],
): Promise<Measured> {
  const text = await output('taskset', [
    ...['-c', '1', 'h2load', '-t1', `-c${connections}`, '-m8', ...options],
    ...[...fields, ':authority: shop.example.test'].flatMap((field) => ['-H', field]),
    `${url}${path}`,
  ])
  const [, done = '0', failed = '0'] =
    /requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed/.exec(text) ?? []
  return { requests: Number(done), p99: Number.NaN, errors: Number(failed) }
}

const client = `
import { connect } from 'node:net'
const [port, connections, seconds] = process.argv.slice(1).map(Number)
const frame = Buffer.concat([Buffer.from([0x82, 0xc0, 1, 2, 3, 4]), Buffer.alloc(64, 'x')])
let echoes = 0
let errors = 0
for (let n = 0; n < connections; n++) {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  socket.on('error', () => errors++)
  socket.write('GET /ws HTTP/1.1\\r\\nHost: shop.example.test\\r\\nConnection: upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n')
  let size = 0
  socket.once('data', (head) => {
    if (!String(head).startsWith('HTTP/1.1 101')) errors++
    socket.on('data', (chunk) => {
      size += chunk.length
      while (size >= frame.length) {
        size -= frame.length
        echoes++
        socket.write(frame)
      }
    })
    socket.write(frame)
  })
}
setTimeout(() => { console.log(JSON.stringify({ echoes, errors })); process.exit() }, seconds * 1000)
`

async function websocket({ connections }: Load, port: number, seconds: number): Promise<Measured> {
  const args = ['--input-type=module', '-e', client, '--', port, connections, seconds].map(String)
  const text = await output('taskset', ['-c', '1', process.execPath, ...args])
  const { echoes, errors } = JSON.parse(text) as { echoes: number; errors: number }
  return { requests: echoes, p99: Number.NaN, errors }
}
