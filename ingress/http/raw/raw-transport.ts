import type { Binding, Request } from './binding.ts'
import { type Connected, HandleTransport, systemError } from './handle-transport.ts'
import type { Batched, WriteBatch } from './write-batch.ts'

// Strings up to this size are written from the stack and tried at once by Node's stream layer, without a request of ours.
const TEXT_LIMIT = 16_384

function onWritten(this: Request, status: number): void {
  if (this.owner instanceof RawTransport) this.owner.written(status)
}

let spareRequest: Request | undefined

/** The object of the next write, of whatever connection: it is free again when the kernel has taken everything at once. */
function writeRequest(binding: Binding): Request {
  spareRequest ??= new binding.WriteWrap()
  return spareRequest
}

/**
 * A transport directly on libuv's handle: no stream objects, no allocation per read (the buffer given is read into again
 * and again), and a write that the kernel takes at once leaves nothing behind.
 */
export class RawTransport extends HandleTransport implements Batched {
  readonly encrypted = false
  readonly #batch: WriteBatch
  readonly #accepted: boolean
  /** A client that has asked for something and got nothing yet. */
  #asking = false
  /** Text for the end of this turn of the event loop. */
  #queued = ''
  #pending = 0
  #corked: (Buffer | string)[] | undefined

  /** `localPort`: of connections that were accepted. */
  constructor(
    binding: Binding,
    { tcp, batch, localPort }: Connected & { readonly batch: WriteBatch },
    buffer: Buffer,
  ) {
    super(binding, { tcp, localPort }, tcp, buffer)
    this.#batch = batch
    this.#accepted = localPort !== undefined
    tcp.setNoDelay(true)
    tcp.readStart()
  }

  override received(): void {
    if (this.#accepted && !this.#asking && !this.closed) this.#setAsking({ on: true })
    super.received()
  }

  #setAsking({ on }: { readonly on: boolean }): void {
    this.#asking = on
    this.#batch.asking += on ? 1 : -1
  }

  write(data: Buffer | string): boolean {
    if (this.#corked !== undefined) {
      this.#corked.push(typeof data === 'string' ? data : Buffer.from(data))
      return this.#pending === 0
    }
    if (typeof data !== 'string') {
      return data.length <= TEXT_LIMIT
        ? this.#writeText(data.toString('latin1'))
        : this.writeHeld(Buffer.from(data))
    }
    return data.length <= TEXT_LIMIT ? this.#writeText(data) : this.writeHeld(Buffer.from(data, 'latin1'))
  }

  #writeText(text: string): boolean {
    if (this.closed || this.ending) return true
    if (this.#queued !== '') this.#queued += text
    else if (this.#batch.worthwhile) {
      this.#queued = text
      this.#batch.add(this)
    } else this.#writeNow(text)
    return this.#pending === 0
  }

  flushQueued(): void {
    const text = this.#queued
    this.#queued = ''
    if (text !== '' && !this.closed) this.#writeNow(text)
  }

  #writeNow(text: string): void {
    if (this.#asking) this.#setAsking({ on: false })
    if (text.length <= TEXT_LIMIT) {
      this.#settle(this.stream.writeLatin1String(writeRequest(this.binding), text), undefined)
      return
    }
    const data = Buffer.from(text, 'latin1')
    this.#settle(this.stream.writeBuffer(writeRequest(this.binding), data), data)
  }

  writeHeld(data: Buffer): boolean {
    if (this.#corked !== undefined) {
      this.#corked.push(data)
      return this.#pending === 0
    }
    this.flushQueued()
    if (this.closed || this.ending) return true
    if (this.#asking) this.#setAsking({ on: false })
    return this.#settle(this.stream.writeBuffer(writeRequest(this.binding), data), data)
  }

  /** What became of a write: taken at once, under way, or failed. */
  #settle(status: number, kept: unknown): boolean {
    if (status !== 0) {
      this.fail(systemError('write', status))
      return true
    }
    if (this.binding.state[this.binding.wasAsync] !== 0) {
      const request = writeRequest(this.binding)
      request.owner = this
      request.kept = kept
      request.oncomplete = onWritten
      spareRequest = undefined
      this.#pending++
    }
    return this.#pending === 0
  }

  /** Called when a write that had to wait is done. */
  written(status: number): void {
    this.#pending--
    if (this.closed) return
    if (status < 0) this.fail(systemError('write', status))
    else if (this.#pending === 0 && !this.ending) this.receiver.onDrain()
  }

  cork(): void {
    this.#corked ??= []
  }

  uncork(): boolean {
    const corked = this.#corked
    this.#corked = undefined
    if (corked === undefined || corked.length === 0 || this.closed || this.ending) return this.#pending === 0
    const [first] = corked
    if (corked.length === 1 && first !== undefined)
      return typeof first === 'string' ? this.write(first) : this.writeHeld(first)
    this.flushQueued()
    if (this.closed) return true
    const chunks = corked.flatMap((piece) => [piece, typeof piece === 'string' ? 'latin1' : 'buffer'])
    return this.#settle(this.stream.writev(writeRequest(this.binding), chunks, false), chunks)
  }

  end({ silent = false } = {}): void {
    if (this.closed || this.ending) return
    this.uncork()
    this.flushQueued()
    if (this.closed) return
    // Closing sends the FIN, once the kernel has sent what it was given.
    if (silent && this.#pending === 0) this.destroy()
    else {
      this.ending = true
      this.shutdown()
    }
  }

  override destroy(): void {
    if (this.closed) return
    this.#corked = undefined
    this.flushQueued()
    if (this.#asking) this.#setAsking({ on: false })
    super.destroy()
  }

  override surrender(): Connected {
    if (this.#asking) this.#setAsking({ on: false })
    return super.surrender()
  }
}
