/** Frame streams (https://farsightsec.github.io/fstrm): the sending end of one connection. */
import type { Socket } from 'node:net'

const contentType = 'protobuf:dnstap.Dnstap'
const Control = { ACCEPT: 1, START: 2, STOP: 3, READY: 4, FINISH: 5 } as const

/** Writes frames once the other end has accepted our content type. */
export class FrameWriter {
  readonly #socket: Socket
  readonly #onReady: () => void
  readonly #maxBuffered: number
  #buffered: Buffer = Buffer.alloc(0)
  ready = false

  constructor(socket: Socket, options: { maxBuffered: number; onReady: () => void }) {
    this.#socket = socket
    this.#onReady = options.onReady
    this.#maxBuffered = options.maxBuffered
    socket.on('data', (chunk: Buffer) => this.#data(chunk))
    socket.write(control(Control.READY))
  }

  /** False when it cannot be sent now: not accepted yet, or the other end reads too slowly. */
  send(payload: Buffer): boolean {
    if (!this.ready || this.#socket.writableLength > this.#maxBuffered) return false
    const head = Buffer.alloc(4)
    head.writeUInt32BE(payload.length)
    this.#socket.write(Buffer.concat([head, payload]))
    return true
  }

  end(): void {
    if (this.ready) this.#socket.write(control(Control.STOP))
    this.ready = false
    this.#socket.end()
  }

  #data(chunk: Buffer): void {
    this.#buffered = Buffer.concat([this.#buffered, chunk])
    while (this.#buffered.length >= 12) {
      const end = 8 + this.#buffered.readUInt32BE(4)
      if (this.#buffered.readUInt32BE(0) !== 0 || end > 8 + 512) {
        this.#socket.destroy()
        return
      }
      if (this.#buffered.length < end) return
      const type = this.#buffered.readUInt32BE(8)
      this.#buffered = this.#buffered.subarray(end)
      if (type === Control.ACCEPT && !this.ready) {
        this.#socket.write(control(Control.START))
        this.ready = true
        this.#onReady()
      } else if (type === Control.FINISH) this.#socket.end()
    }
  }
}

/** Escape, length, type, and the content type as the only field. */
function control(type: number): Buffer {
  const named = type !== Control.STOP && type !== Control.FINISH
  const body = Buffer.alloc(named ? 12 : 4)
  body.writeUInt32BE(type, 0)
  if (named) {
    body.writeUInt32BE(1, 4)
    body.writeUInt32BE(contentType.length, 8)
  }
  const payload = named ? Buffer.concat([body, Buffer.from(contentType)]) : body
  const head = Buffer.alloc(8)
  head.writeUInt32BE(payload.length, 4)
  return Buffer.concat([head, payload])
}
