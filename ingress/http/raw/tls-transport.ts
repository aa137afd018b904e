import { X509Certificate } from 'node:crypto'
import type { Handshake } from '../transport.ts'
import type { Binding, Request } from './binding.ts'
import { type Connected, HandleTransport, systemError } from './handle-transport.ts'
import type { TlsHandle } from './tls-binding.ts'
import type { Batched, WriteBatch } from './write-batch.ts'

// As much as one turn of the event loop may gather while a write is under way, before the writer is asked to wait.
const QUEUE_BYTES = 65_536
// Strings up to this size are joined: one record then, and one copy.
const TEXT_LIMIT = 16_384

function onWritten(this: Request, status: number): void {
  if (this.owner instanceof RawTlsTransport) this.owner.written(status)
}

/**
 * A transport on TLS directly over libuv's handle. Clear text that is written is encrypted at once, so buffers are free again
 * when the call returns; but the handle takes the next write only after the event loop has come round, and what comes
 * meanwhile is gathered here into one.
 */
export class RawTlsTransport extends HandleTransport implements Batched {
  readonly encrypted = true
  servername: string | undefined
  verified = false
  readonly #tls: TlsHandle
  readonly #batch: WriteBatch
  /** A client that has asked for something and got nothing yet. */
  #asking = false
  /** What is queued leaves at the end of this turn of the event loop. */
  #batched = false
  /** A write is under way. */
  #writing = false
  #corked = false
  #queue: (Buffer | string)[] = []
  #queued = 0
  /** Some of what is queued is somebody else's, who waits for onDrain before using it again. */
  #holds = false
  #drainAwaited = false
  #silent = false
  #handshake: Handshake | undefined

  constructor(
    binding: Binding,
    connected: Connected & { readonly batch: WriteBatch },
    tls: TlsHandle,
    buffer: Buffer,
  ) {
    super(binding, connected, tls, buffer)
    this.#tls = tls
    this.#batch = connected.batch
    tls.onerror = (error) => this.fail(error)
    // Its reads are TLS's from now on; what keeps the handle alive keeps this alive.
    connected.tcp.owner = this
  }

  handshake(): Handshake | undefined {
    if (this.#handshake === undefined && !this.closed) {
      const raw = this.#tls.getPeerCertificate()?.raw
      this.#handshake = {
        protocol: this.#tls.getProtocol(),
        cipher: this.#tls.getCipher().name,
        resumed: this.#tls.isSessionReused(),
        certificate: raw === undefined ? undefined : new X509Certificate(raw),
      }
    }
    return this.#handshake
  }

  override received(): void {
    if (!this.#asking && !this.closed) this.#setAsking({ on: true })
    super.received()
  }

  #setAsking({ on }: { readonly on: boolean }): void {
    this.#asking = on
    this.#batch.asking += on ? 1 : -1
  }

  write(data: Buffer | string): boolean {
    if (this.closed || this.ending || data.length === 0) return !this.#drainAwaited
    if (!this.#busy) {
      if (!this.#batch.worthwhile) return this.#send(data)
      this.#batched = true
      this.#batch.add(this)
    }
    this.#queue.push(typeof data === 'string' ? data : Buffer.from(data))
    this.#queued += data.length
    return this.#corked || this.#room()
  }

  writeHeld(data: Buffer): boolean {
    if (this.closed || this.ending || data.length === 0) return !this.#drainAwaited
    if (!this.#busy) return this.#send(data)
    this.#queue.push(data)
    this.#queued += data.length
    // With what was put back before it, it makes one write.
    if (!this.#writing && !this.#corked) return this.#flush()
    this.#holds = true
    return this.#corked || this.#room()
  }

  /** What is written now has to be gathered. */
  get #busy(): boolean {
    return this.#writing || this.#corked || this.#batched
  }

  flushQueued(): void {
    if (this.#batched && !this.#writing && !this.#corked && !this.closed) this.#flush()
  }

  /** Whether more may come at once; if not, onDrain says when. */
  #room(): boolean {
    if (this.#holds || this.#queued > QUEUE_BYTES || this.tcp.writeQueueSize > 0) this.#drainAwaited = true
    return !this.#drainAwaited
  }

  #send(data: Buffer | string): boolean {
    const request = this.#request()
    if (typeof data !== 'string') return this.#sent(this.stream.writeBuffer(request, data))
    return this.#sent(this.stream.writeLatin1String(request, data))
  }

  #request(): Request {
    if (this.#asking) this.#setAsking({ on: false })
    const request = new this.binding.WriteWrap()
    request.owner = this
    request.oncomplete = onWritten
    this.#writing = true
    return request
  }

  #sent(status: number): boolean {
    if (status !== 0) this.fail(systemError('write', status))
    return this.closed || this.#room()
  }

  #flush(): boolean {
    const queue = this.#queue
    const [first] = queue
    const size = this.#queued
    this.#queue = []
    this.#queued = 0
    this.#holds = false
    this.#batched = false
    if (first === undefined) return this.#room()
    if (queue.length === 1) return this.#send(first)
    if (size <= TEXT_LIMIT && queue.every((piece) => typeof piece === 'string'))
      return this.#send(queue.join(''))
    const chunks = queue.flatMap((piece) => [piece, typeof piece === 'string' ? 'latin1' : 'buffer'])
    return this.#sent(this.stream.writev(this.#request(), chunks, false))
  }

  /** Called when the handle takes the next write. */
  written(status: number): void {
    this.#writing = false
    if (this.closed) return
    if (status < 0) {
      this.fail(systemError('write', status))
      return
    }
    if (this.#queued > 0 && !this.#corked) this.#flush()
    if (this.closed) return
    if (this.ending) {
      if (!this.#writing) this.shutdown()
    } else if (this.#drainAwaited && this.tcp.writeQueueSize === 0) {
      this.#drainAwaited = false
      this.receiver.onDrain()
    }
  }

  cork(): void {
    this.#corked = true
  }

  uncork(): boolean {
    this.#corked = false
    if (this.closed || this.ending) return true
    return this.#writing ? this.#room() : this.#flush()
  }

  end({ silent = false } = {}): void {
    if (this.closed || this.ending) return
    this.uncork()
    this.ending = true
    this.#silent = silent
    if (!this.#writing) this.shutdown()
  }

  override shutdownDone(): void {
    if (this.#silent) this.destroy()
    else super.shutdownDone()
  }

  override destroy(): void {
    if (this.closed) return
    this.flushQueued()
    if (this.#asking) this.#setAsking({ on: false })
    super.destroy()
  }

  protected override onClosed(): void {
    this.#tls.destroySSL()
    super.onClosed()
  }
}
