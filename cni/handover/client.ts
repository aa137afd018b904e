import { connect } from 'node:net'
import { decodeReply, encodeRequest, maximumBytes, type ReplyFrame, type RequestFrame } from './frame.ts'

/**
 * What became of handing a request to the agent. After 'absent' nobody has seen it; after 'lost' the agent may have
 * done any part of it.
 */
export type Handover =
  | { readonly outcome: 'replied'; readonly reply: ReplyFrame }
  | { readonly outcome: 'absent' | 'lost' }

const replyTimeoutMs = 90_000

/** Sends one request to the agent at `socketPath` and waits for its reply. Never throws. */
export function handOver(socketPath: string, request: RequestFrame): Promise<Handover> {
  const frame = encodeRequest(request)
  if (frame.length > maximumBytes) return Promise.resolve({ outcome: 'absent' })
  const { promise, resolve } = Promise.withResolvers<Handover>()
  const chunks: Buffer[] = []
  let connected = false
  const socket = connect(socketPath)
  const settle = (handover: Handover): void => {
    resolve(handover)
    socket.destroy()
  }
  socket.setTimeout(replyTimeoutMs, () => settle({ outcome: 'lost' }))
  socket.once('connect', () => {
    connected = true
    socket.write(frame)
  })
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    try {
      const reply = decodeReply(Buffer.concat(chunks))
      if (reply !== undefined) settle({ outcome: 'replied', reply })
    } catch {
      settle({ outcome: 'lost' })
    }
  })
  socket.once('error', () => settle({ outcome: connected ? 'lost' : 'absent' }))
  socket.once('close', () => settle({ outcome: connected ? 'lost' : 'absent' }))
  return promise
}
