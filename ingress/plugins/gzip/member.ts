import { constants, crc32, deflateRawSync } from 'node:zlib'

const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
/** An empty last block of fixed codes. */
const END = Buffer.from([3, 0])

/**
 * One gzip member (RFC 1952) made piece by piece. Each piece is deflated on its own up to a byte boundary (as pigz does): all
 * of it is out at once, so that streams stay streams, and no piece keeps the process for long.
 */
export class GzipMember {
  readonly #level: number
  #crc = 0
  #length = 0

  constructor(level: number) {
    this.#level = level
  }

  push(chunk: Buffer): Buffer {
    const first = this.#length === 0
    this.#crc = crc32(chunk, this.#crc)
    this.#length += chunk.length
    const piece = deflateRawSync(chunk, { level: this.#level, finishFlush: constants.Z_SYNC_FLUSH })
    return first ? Buffer.concat([HEADER, piece]) : piece
  }

  end(): Buffer {
    const trailer = Buffer.alloc(8)
    trailer.writeUInt32LE(this.#crc, 0)
    trailer.writeUInt32LE(this.#length % 2 ** 32, 4)
    return Buffer.concat(this.#length === 0 ? [HEADER, END, trailer] : [END, trailer])
  }
}
