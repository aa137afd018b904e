import type { Duplex } from 'node:stream'
import { getSystemErrorName } from 'node:util'
import { NOBODY, plainAddress, type Receiver, type Transport } from '../transport.ts'
import { TransportStream } from '../transport-stream.ts'
import type { Binding, Request, TcpHandle } from './binding.ts'

const UV_EOF = -4095
// Strings up to this size are written from the stack and tried at once by Node's stream layer, without a request of ours.
const TEXT_LIMIT = 16_384

/** An error in the form Node's sockets give it. */
export function systemError(call: string, status: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(status)
  return Object.assign(new Error(`${call} ${code}`), { code, errno: status, syscall: call })
}

function onRead(this: TcpHandle): void {
  if (this.owner instanceof RawTransport) this.owner.received()
}

function onWritten(this: Request, status: number): void {
  if (this.owner instanceof RawTransport) this.owner.written(status)
}

function onShutdown(this: Request): void {
  if (this.owner instanceof RawTransport) this.owner.shutdownDone()
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
export class RawTransport implements Transport {
  receiver: Receiver = NOBODY
  readonly encrypted = false
  readonly #binding: Binding
  readonly #handle: TcpHandle
  readonly #buffer: Buffer
  #pending = 0
  #corked: (Buffer | string)[] | undefined
  #finPending = false
  #writeEnded = false
  #readEnded = false
  #paused = false
  #closed = false
  #error: Error | undefined
  #peer: { address?: string; port?: number } | undefined
  readonly #knownPort: number | undefined
  #local: { address?: string; port?: number } | undefined

  /** `localPort`: of connections that were accepted, where it is known. */
  constructor(binding: Binding, handle: TcpHandle, buffer: Buffer, localPort?: number) {
    this.#knownPort = localPort
    this.#binding = binding
    this.#handle = handle
    this.#buffer = buffer
    handle.owner = this
    handle.onread = onRead
    handle.useUserBuffer(buffer)
    handle.setNoDelay(true)
    handle.readStart()
  }

  get #peerAddress(): { address?: string; port?: number } {
    if (this.#peer === undefined) {
      this.#peer = {}
      if (!this.#closed) this.#handle.getpeername(this.#peer)
    }
    return this.#peer
  }
  get #localAddress(): { address?: string; port?: number } {
    if (this.#local === undefined) {
      this.#local = {}
      if (!this.#closed) this.#handle.getsockname(this.#local)
    }
    return this.#local
  }
  get remoteAddress(): string {
    return plainAddress(this.#peerAddress.address)
  }
  get remotePort(): number {
    return this.#peerAddress.port ?? 0
  }
  get localAddress(): string {
    return plainAddress(this.#localAddress.address)
  }
  get localPort(): number {
    return this.#knownPort ?? this.#localAddress.port ?? 0
  }

  assumePeer(peer: { readonly address: string; readonly port: number }): void {
    this.#peer = { ...peer }
  }

  /** Called by the handle: bytes, the end or an error, as the shared state says. */
  received(): void {
    const count = this.#binding.state[this.#binding.readBytes] as number
    if (this.#closed || count === 0) return
    if (count > 0) {
      this.receiver.onData(this.#buffer, count)
      return
    }
    if (count !== UV_EOF) {
      this.#fail(systemError('read', count))
      return
    }
    this.#readEnded = true
    this.#handle.readStop()
    this.receiver.onEnd()
    if (this.#writeEnded) this.destroy()
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
    if (this.#closed || this.#finPending) return true
    return this.#settle(this.#handle.writeLatin1String(writeRequest(this.#binding), text), undefined)
  }

  writeHeld(data: Buffer): boolean {
    if (this.#corked !== undefined) {
      this.#corked.push(data)
      return this.#pending === 0
    }
    if (this.#closed || this.#finPending) return true
    return this.#settle(this.#handle.writeBuffer(writeRequest(this.#binding), data), data)
  }

  /** What became of a write: taken at once, under way, or failed. */
  #settle(status: number, kept: unknown): boolean {
    if (status !== 0) {
      this.#fail(systemError('write', status))
      return true
    }
    if (this.#binding.state[this.#binding.wasAsync] !== 0) {
      const request = writeRequest(this.#binding)
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
    if (this.#closed) return
    if (status < 0) this.#fail(systemError('write', status))
    else if (this.#pending === 0 && !this.#finPending) this.receiver.onDrain()
  }

  cork(): void {
    this.#corked ??= []
  }

  uncork(): boolean {
    const corked = this.#corked
    this.#corked = undefined
    if (corked === undefined || corked.length === 0 || this.#closed || this.#finPending)
      return this.#pending === 0
    const [first] = corked
    if (corked.length === 1 && first !== undefined)
      return typeof first === 'string' ? this.write(first) : this.writeHeld(first)
    const chunks = corked.flatMap((piece) => [piece, typeof piece === 'string' ? 'latin1' : 'buffer'])
    return this.#settle(this.#handle.writev(writeRequest(this.#binding), chunks, false), chunks)
  }

  pause(): void {
    if (this.#closed || this.#readEnded || this.#paused) return
    this.#paused = true
    this.#handle.readStop()
  }
  resume(): void {
    if (this.#closed || this.#readEnded || !this.#paused) return
    this.#paused = false
    this.#handle.readStart()
  }

  end({ silent = false } = {}): void {
    if (this.#closed || this.#finPending) return
    this.uncork()
    if (silent && this.#pending === 0) {
      // Closing sends the FIN, once the kernel has sent what it was given.
      this.destroy()
      return
    }
    this.#finPending = true
    const request = new this.#binding.ShutdownWrap()
    request.owner = this
    request.oncomplete = onShutdown
    if (this.#handle.shutdown(request) !== 0) this.destroy()
  }

  shutdownDone(): void {
    this.#writeEnded = true
    if (this.#readEnded) this.destroy()
  }

  destroy(): void {
    if (this.#closed) return
    this.#closed = true
    this.#corked = undefined
    this.#handle.close(() => this.receiver.onClose(this.#error))
  }

  toStream(rest: Buffer): Duplex {
    return new TransportStream(this, rest)
  }

  #fail(error: Error): void {
    if (this.#closed) return
    this.#error = error
    this.destroy()
  }
}
