import { deserialize, serialize } from 'node:v8'
import type { AnyObject, Kind } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'

/** Raise this with every change of the messages: both ends have to be of one build. */
export const replicaProtocol = 2

/** What stands in the stream from the primary to a replica. */
export type Frame =
  | { readonly type: 'hello'; readonly protocol: number; readonly kinds: readonly Kind[] }
  /** a part of the whole state; the last of them has `last` */
  | { readonly type: 'state'; readonly objects: readonly AnyObject[]; readonly last: boolean }
  /** one change set, numbered without gaps from 1 after each whole state */
  | {
      readonly type: 'changes'
      readonly number: number
      /** ms since the epoch of the oldest event in it */
      readonly at: number
      readonly objects: readonly AnyObject[]
      readonly deleted: readonly (readonly [Kind, Key])[]
    }
  /** nothing happened: the primary is there, and has sent this many change sets */
  | { readonly type: 'beat'; readonly number: number }

/** What a replica answers. */
export type Answer = { readonly type: 'resync' }

/** Bytes that are no frame, or a frame out of order: the stream is of no use any more. */
export class ReplicaStreamError extends Error {
  readonly code = 'WATCH_REPLICA_STREAM'

  constructor(message: string) {
    super(message)
    this.name = 'ReplicaStreamError'
  }
}

/** More than any frame we write: a length beyond is a stream out of step. */
const longest = 256 << 20

/** Four bytes of length, then V8's structured clone: compact, and it knows Buffers. */
export function encodeFrame(frame: Frame | Answer): Buffer {
  const body = serialize(frame)
  const head = Buffer.allocUnsafe(4)
  head.writeUInt32BE(body.length)
  return Buffer.concat([head, body])
}

/** Cuts a stream of bytes into frames. */
export class FrameReader<T extends Frame | Answer> {
  #chunks: Buffer[] = []
  #length = 0

  /** The frames completed by this chunk. Throws ReplicaStreamError. */
  push(chunk: Buffer): T[] {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    const frames: T[] = []
    for (let wanted = this.#wanted(); this.#length >= wanted; wanted = this.#wanted()) {
      const bytes = this.#take(wanted)
      frames.push(decodeFrame(bytes.subarray(4)) as T)
    }
    return frames
  }

  /** Bytes of the next frame with its length; 4 until that can be read. */
  #wanted(): number {
    if (this.#length < 4) return 4
    let [first] = this.#chunks
    if (first === undefined || first.length < 4) {
      first = Buffer.concat(this.#chunks)
      this.#chunks = [first]
    }
    const length = first.readUInt32BE(0)
    if (length > longest) throw new ReplicaStreamError(`a frame of ${length} bytes is announced`)
    return 4 + length
  }

  #take(length: number): Buffer {
    const bytes = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks)
    if (bytes === undefined) throw new ReplicaStreamError('a frame is missing')
    this.#chunks = bytes.length > length ? [bytes.subarray(length)] : []
    this.#length -= length
    return bytes.subarray(0, length)
  }
}

function decodeFrame(bytes: Buffer): unknown {
  try {
    return deserialize(bytes)
  } catch (error) {
    throw new ReplicaStreamError(`a frame cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}
