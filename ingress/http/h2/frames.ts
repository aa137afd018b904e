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
const HEAD = 9
const STREAM_MASK = 0x7fffffff

/** Writes the head of a frame at `at`; the offset behind it. */
export function writeFrameHead(
  into: Buffer,
  at: number,
  frame: { readonly type: number; readonly flags: number; readonly stream: number; readonly size: number },
): number {
  into.writeUIntBE(frame.size, at, 3)
  into[at + 3] = frame.type
  into[at + 4] = frame.flags
  into.writeUInt32BE(frame.stream, at + 5)
  return at + HEAD
}

/** A frame whose payload is numbers of 32 bits. */
export function numbersFrame(type: number, stream: number, ...numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD + 4 * numbers.length)
  let at = writeFrameHead(bytes, 0, { type, flags: 0, stream, size: 4 * numbers.length })
  for (const one of numbers) at = bytes.writeUInt32BE(one, at)
  return bytes
}

export type SettingPair = readonly [id: number, value: number]

export function settingsFrame(settings: readonly SettingPair[]): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD + 6 * settings.length)
  let at = writeFrameHead(bytes, 0, { type: Frame.settings, flags: 0, stream: 0, size: 6 * settings.length })
  for (const [id, value] of settings) at = bytes.writeUInt32BE(value, bytes.writeUInt16BE(id, at))
  return bytes
}

/** The answer to a SETTINGS or PING frame. */
export function ackFrame(type: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD + payload.length)
  payload.copy(bytes, writeFrameHead(bytes, 0, { type, flags: Flag.ack, stream: 0, size: payload.length }))
  return bytes
}

/** A header block, split over frames where it is long, and the content that follows at once. */
export function messageFrames(
  stream: number,
  message: { readonly block: string; readonly content: readonly Buffer[]; readonly end: boolean },
): Buffer {
  const { block, content, end } = message
  const blocks = Math.max(1, Math.ceil(block.length / FRAME_SIZE))
  const size = content.reduce((sum, piece) => sum + piece.length, 0)
  const bytes = Buffer.allocUnsafe(blocks * HEAD + block.length + (size > 0 ? HEAD + size : 0))
  let at = 0
  for (let n = 0; n < blocks; n++) {
    const part = blocks === 1 ? block : block.slice(n * FRAME_SIZE, (n + 1) * FRAME_SIZE)
    const endHeaders = n === blocks - 1 ? Flag.endHeaders : 0
    const endStream = n === 0 && end && size === 0 ? Flag.endStream : 0
    const type = n === 0 ? Frame.headers : Frame.continuation
    at = writeFrameHead(bytes, at, { type, flags: endHeaders | endStream, stream, size: part.length })
    at += bytes.write(part, at, 'latin1')
  }
  if (size === 0) return bytes
  at = writeFrameHead(bytes, at, { type: Frame.data, flags: end ? Flag.endStream : 0, stream, size })
  for (const piece of content) at += piece.copy(bytes, at)
  return bytes
}

export function dataFrame(stream: number, content: Buffer, { end }: { readonly end: boolean }): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD + content.length)
  const size = content.length
  content.copy(
    bytes,
    writeFrameHead(bytes, 0, { type: Frame.data, flags: end ? Flag.endStream : 0, stream, size }),
  )
  return bytes
}

type OnFrame = (type: number, flags: number, stream: number, payload: Buffer) => void

/** Cuts what arrives into frames. */
export class FrameReader {
  readonly #onFrame: OnFrame
  #held: Buffer[] = []
  #size = 0
  /** Bytes to wait for before it is worth looking. */
  #wanted = HEAD

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
    this.#wanted = HEAD
    while (end - at >= HEAD) {
      const size = buffer.readUIntBE(at, 3)
      if (size > FRAME_SIZE) throw new H2Fault(Code.frameSize, 'frame larger than allowed')
      const next = at + HEAD + size
      if (next > end) {
        this.#wanted = HEAD + size
        break
      }
      const stream = buffer.readUInt32BE(at + 5) & STREAM_MASK
      this.#onFrame(
        buffer[at + 3] as number,
        buffer[at + 4] as number,
        stream,
        buffer.subarray(at + HEAD, next),
      )
      at = next
    }
    if (at === end) return
    this.#held.push(Buffer.from(buffer.subarray(at, end)))
    this.#size = end - at
  }
}
