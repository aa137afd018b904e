import type { Socket } from 'node:net'
import { receiveNow, sendNow } from '#netlink'
import { decodeRequest, encodeReply, type ReplyFrame, type RequestFrame } from './frame.ts'

const requestTimeoutMs = 10_000
/** Read into here and decoded at once. */
const inbox = Buffer.allocUnsafeSlow(64 * 1024)

/**
 * Reads the one request of a connection that was accepted with `pauseOnConnect`. It lies there already nearly always, and is read
 * past Node's streams then: they would take a good part of the time that an ADD has.
 */
export function takeRequest(
  socket: Socket,
  handlers: { request(request: RequestFrame): void; malformed(error: unknown): void },
): void {
  const chunks: Buffer[] = []
  /** True when nothing more is to be read. */
  const take = (chunk: Buffer): boolean => {
    chunks.push(chunk)
    try {
      const request = decodeRequest(chunks.length === 1 ? chunk : Buffer.concat(chunks))
      if (request === undefined) return false
      socket.setTimeout(0)
      handlers.request(request)
    } catch (error) {
      handlers.malformed(error)
      socket.destroy()
    }
    return true
  }
  const fd = descriptorOf(socket)
  const length = fd === undefined ? undefined : receiveNow(fd, inbox)
  if (length !== undefined && length > 0 && take(inbox.subarray(0, length))) return
  // What comes later overwrites the buffer.
  for (const [index, chunk] of chunks.entries()) chunks[index] = Buffer.from(chunk)
  socket.setTimeout(requestTimeoutMs, () => socket.destroy())
  const collect = (chunk: string | Buffer): void => {
    if (take(Buffer.from(chunk))) socket.off('data', collect)
  }
  socket.on('data', collect)
  // Half a request and then nothing more: allowHalfOpen would keep the connection.
  socket.once('end', () => {
    if (socket.listeners('data').includes(collect)) socket.destroy()
  })
  socket.resume()
}

/** Writes the reply and closes the connection. */
export function giveReply(socket: Socket, reply: ReplyFrame): void {
  const bytes = encodeReply(reply)
  const fd = descriptorOf(socket)
  const sent = fd === undefined ? 0 : sendNow(fd, bytes)
  if (sent === bytes.length) socket.destroy()
  else socket.end(bytes.subarray(sent))
}

/** Undefined once the connection is closed. */
export function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: number } | null }
  return handle?.fd === undefined || handle.fd < 0 ? undefined : handle.fd
}
