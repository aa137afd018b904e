import type net from 'node:net'
import type { ExecutionContext } from 'ava'
import { FrameReader } from '../../../ingress/http/h2/frames.ts'
import { rawBackend } from './backend.ts'
import { blockOf, type Fields, frameOf, preface } from './h2-frames.ts'

/** Types and flags of RFC 9113 §6, for what tests send. */
export const Type = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, window: 8, more: 9 }
export const END_STREAM = 1
export const END_HEADERS = 4
export const REFUSED = 7
export const CANCEL = 8

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export const number32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
export const goaway = (last: number, code = 0): Buffer =>
  frameOf(Type.goaway, 0, 0, Buffer.concat([number32(last), number32(code)]))
export const reset = (stream: number, code: number): Buffer => frameOf(Type.reset, 0, stream, number32(code))
export const data = (stream: number, content: Buffer | string, flags = 0): Buffer =>
  frameOf(Type.data, flags, stream, Buffer.from(content))
export const headers = (stream: number, fields: Fields, flags = 0): Buffer =>
  frameOf(Type.headers, END_HEADERS | flags, stream, blockOf(fields))
export const settings = (...pairs: readonly (readonly [id: number, value: number])[]): Buffer =>
  frameOf(
    Type.settings,
    0,
    0,
    Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), number32(value)]))),
  )
/** A whole answer. */
export const answer = (stream: number, text = 'hello'): Buffer =>
  Buffer.concat([headers(stream, [[':status', '200']]), data(stream, text, END_STREAM)])

/** A connection to the server by hand. */
export class RawConnection {
  /** From 0, in the order they came. */
  readonly index: number
  readonly socket: net.Socket
  readonly frames: Frame[] = []

  constructor(index: number, socket: net.Socket) {
    this.index = index
    this.socket = socket
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames))
  }
}

/** An HTTP/2 server that sends what it is told: `onFrame` gets what comes, acknowledgements and WINDOW_UPDATE included. */
export async function rawH2Server(
  t: ExecutionContext,
  onFrame: (connection: RawConnection, frame: Frame) => void,
  first: Buffer = settings(),
): Promise<{ readonly port: number; readonly connections: readonly RawConnection[] }> {
  const connections: RawConnection[] = []
  const port = await rawBackend(t, (socket) => {
    const connection = new RawConnection(connections.length, socket)
    connections.push(connection)
    socket.write(first)
    const reader = new FrameReader((type, flags, stream, payload) => {
      const frame = { type, flags, stream, payload: Buffer.from(payload) }
      connection.frames.push(frame)
      onFrame(connection, frame)
    })
    let skip = preface.length
    socket.on('data', (chunk: Buffer) => {
      const start = Math.min(skip, chunk.length)
      skip -= start
      reader.push(chunk, start, chunk.length)
    })
  })
  return { port, connections }
}
