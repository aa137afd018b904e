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

/** Cuts what arrives into frames. */
export class FrameReader {
  readonly #onFrame: OnFrame
  #held: Buffer[] = []
  #size = 0
  /** Bytes to wait for before it is worth looking. */
  #wanted = HEAD_SIZE

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame
  }

  /** A frame has begun and is not complete. */
  get waits(): boolean {
    return this.#size > 0
  }

  push(buffer: Buffer, start: number, end: number): void {
    if (this.#size === 0) {
      this.#read(buffer, start, end)
      return
    }
    this.#held.push(Buffer.from(buffer.subarray(start, end)))
    this.#size += end - start
    if (this.#size < this.#wanted) return
    const whole = Buffer.concat(this.#held)
    this.#held = []
    this.#size = 0
    this.#read(whole, 0, whole.length)
  }

  #read(buffer: Buffer, start: number, end: number): void {
    let at = start
    this.#wanted = HEAD_SIZE
    while (end - at >= HEAD_SIZE) {
      const size = buffer.readUIntBE(at, 3)
      if (size > FRAME_SIZE) throw new H2Fault(Code.frameSize, 'frame larger than allowed')
      const next = at + HEAD_SIZE + size
      if (next > end) {
        this.#wanted = HEAD_SIZE + size
        break
      }
      const stream = buffer.readUInt32BE(at + 5) & STREAM_MASK
      this.#onFrame(
        buffer[at + 3] as number,
        buffer[at + 4] as number,
        stream,
        buffer.subarray(at + HEAD_SIZE, next),
      )
      at = next
    }
    if (at === end) return
    this.#held.push(Buffer.from(buffer.subarray(at, end)))
    this.#size = end - at
  }
}
