import { Code, H2Fault } from './fault.ts'

/** Frame types, RFC 9113 §6. */
export const Frame = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export const Flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const

export const Setting = {
  headerTable: 1,
  enablePush: 2,
  maxStreams: 3,
  initialWindow: 4,
  maxFrame: 5,
  maxHeaderList: 6,
} as const

export const DEFAULT_WINDOW = 65_535
export const MOST_WINDOW = 2 ** 31 - 1
/** What every peer takes, and what we take, in one frame. */
export const FRAME_SIZE = 16_384
export const HEAD_SIZE = 9
const STREAM_MASK = 0x7fffffff

/** Writes the head of a frame at `at`; the offset behind it. */
function writeFrameHead(
  into: Buffer,
  at: number,
  frame: { readonly type: number; readonly flags: number; readonly stream: number; readonly size: number },
): number {
  const { size, stream } = frame
  into[at] = size >> 16
  into[at + 1] = size >> 8
  into[at + 2] = size
  into[at + 3] = frame.type
  into[at + 4] = frame.flags
  into[at + 5] = stream >> 24
  into[at + 6] = stream >> 16
  into[at + 7] = stream >> 8
  into[at + 8] = stream
  return at + HEAD_SIZE
}

/** A frame whose payload is numbers of 32 bits. */
export function numbersFrame(type: number, stream: number, ...numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_SIZE + 4 * numbers.length)
  let at = writeFrameHead(bytes, 0, { type, flags: 0, stream, size: 4 * numbers.length })
  for (const one of numbers) at = bytes.writeUInt32BE(one, at)
  return bytes
}

export type SettingPair = readonly [id: number, value: number]

export function settingsFrame(settings: readonly SettingPair[]): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_SIZE + 6 * settings.length)
  let at = writeFrameHead(bytes, 0, { type: Frame.settings, flags: 0, stream: 0, size: 6 * settings.length })
  for (const [id, value] of settings) at = bytes.writeUInt32BE(value, bytes.writeUInt16BE(id, at))
  return bytes
}

/** The answer to a SETTINGS or PING frame. */
export function ackFrame(type: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_SIZE + payload.length)
  payload.copy(bytes, writeFrameHead(bytes, 0, { type, flags: Flag.ack, stream: 0, size: payload.length }))
  return bytes
}

/** A header block, and content that follows it at once. */
export interface Message {
  readonly block: string
  readonly content: readonly Buffer[]
  /** The stream ends with it. */
  readonly end: boolean
}

function contentSize({ content }: Message): number {
  let size = 0
  for (const piece of content) size += piece.length
  return size
}

/** Header blocks are split over frames where they are long. */
function framesOf({ block }: Message): number {
  return Math.max(1, Math.ceil(block.length / FRAME_SIZE))
}

/** Bytes that `writeMessage` takes. */
export function messageSize(message: Message): number {
  const size = contentSize(message)
  return framesOf(message) * HEAD_SIZE + message.block.length + (size > 0 ? HEAD_SIZE + size : 0)
}

/** Writes a message at `at`; the offset behind it. */
export function writeMessage(into: Buffer, at: number, stream: number, message: Message): number {
  const { block, content, end } = message
  const size = contentSize(message)
  const blocks = framesOf(message)
  for (let n = 0; n < blocks; n++) {
    const part = blocks === 1 ? block : block.slice(n * FRAME_SIZE, (n + 1) * FRAME_SIZE)
    const endHeaders = n === blocks - 1 ? Flag.endHeaders : 0
    const endStream = n === 0 && end && size === 0 ? Flag.endStream : 0
    const type = n === 0 ? Frame.headers : Frame.continuation
    at = writeFrameHead(into, at, { type, flags: endHeaders | endStream, stream, size: part.length })
    at += into.write(part, at, 'latin1')
  }
  if (size === 0) return at
  at = writeFrameHead(into, at, { type: Frame.data, flags: end ? Flag.endStream : 0, stream, size })
  for (const piece of content) at += piece.copy(into, at)
  return at
}

/** Writes a DATA frame at `at`; the offset behind it. */
export function writeData(
  into: Buffer,
  at: number,
  stream: number,
  content: Buffer,
  { end }: { readonly end: boolean },
): number {
  const flags = end ? Flag.endStream : 0
  at = writeFrameHead(into, at, { type: Frame.data, flags, stream, size: content.length })
  return at + content.copy(into, at)
}

type OnFrame = (type: number, flags: number, stream: number, payload: Buffer) => void

/** Cuts what arrives into frames. One that arrives in pieces is put together; all others are read where they lie. */
export class FrameReader {
  readonly #onFrame: OnFrame
  /** A frame that has begun: its bytes so far, and how many it has (its head's, as long as that is not there). */
  readonly #head = Buffer.allocUnsafeSlow(HEAD_SIZE)
  #frame = this.#head
  #size = 0

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame
  }

  push(buffer: Buffer, start: number, end: number): void {
    let at = start
    while (this.#size > 0 && at < end) at = this.#complete(buffer, at, end)
    while (end - at >= HEAD_SIZE) {
      const next = at + HEAD_SIZE + payloadSize(buffer, at)
      if (next > end) break
      this.#deliver(buffer, at, next)
      at = next
    }
    while (at < end) at = this.#complete(buffer, at, end)
  }

  /** Adds what is still missing of a frame; the offset behind it. */
  #complete(buffer: Buffer, at: number, end: number): number {
    const next = Math.min(end, at + this.#frame.length - this.#size)
    buffer.copy(this.#frame, this.#size, at, next)
    this.#size += next - at
    if (this.#size < this.#frame.length) return next
    const frame = this.#frame
    const whole = HEAD_SIZE + payloadSize(frame, 0)
    if (frame.length < whole) {
      this.#frame = Buffer.allocUnsafe(whole)
      frame.copy(this.#frame)
      return next
    }
    this.#frame = this.#head
    this.#size = 0
    this.#deliver(frame, 0, whole)
    return next
  }

  #deliver(buffer: Buffer, at: number, end: number): void {
    const stream = buffer.readUInt32BE(at + 5) & STREAM_MASK
    const payload = buffer.subarray(at + HEAD_SIZE, end)
    this.#onFrame(buffer[at + 3] as number, buffer[at + 4] as number, stream, payload)
  }
}

function payloadSize(buffer: Buffer, at: number): number {
  const size = buffer.readUIntBE(at, 3)
  if (size > FRAME_SIZE) throw new H2Fault(Code.frameSize, 'frame larger than allowed')
  return size
}
