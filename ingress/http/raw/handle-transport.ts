import type { Duplex } from 'node:stream'
import { getSystemErrorName } from 'node:util'
import { NOBODY, type Peer, plainAddress, type Receiver, type Transport } from '../transport.ts'
import { TransportStream } from '../transport-stream.ts'
import type { Binding, Request, StreamHandle, TcpHandle } from './binding.ts'

const UV_EOF = -4095

interface Address {
  address?: string
  port?: number
}

/** A connection's handle, and what was found out about it already. */
export interface Connected {
  readonly tcp: TcpHandle
  /** Of connections that were accepted, where it is known. */
  readonly localPort?: number | undefined
  /** Somebody else than the handle's own peer. */
  readonly peer?: Address | undefined
}

/** An error in the form Node's sockets give it. */
export function systemError(call: string, status: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(status)
  return Object.assign(new Error(`${call} ${code}`), { code, errno: status, syscall: call })
}

function onRead(this: StreamHandle): void {
  if (this.owner instanceof HandleTransport) this.owner.received()
}

function onShutdown(this: Request): void {
  if (this.owner instanceof HandleTransport) this.owner.shutdownDone()
}

/** What transports on libuv's handles share: addresses, reading into a buffer that is used again and again, and the end. */
export abstract class HandleTransport implements Transport {
  receiver: Receiver = NOBODY
  abstract readonly encrypted: boolean
  readonly keepsNothing = true
  protected readonly binding: Binding
  protected readonly tcp: TcpHandle
  /** The handle itself, or TLS over it. */
  protected readonly stream: StreamHandle
  protected closed = false
  /** Nothing more is taken for sending: the end is. */
  protected ending = false
  readonly #buffer: Buffer
  readonly #localPort: number | undefined
  #writeEnded = false
  #readEnded = false
  #paused = false
  #error: Error | undefined
  #peer: Address | undefined
  #local: Address | undefined

  constructor(binding: Binding, connected: Connected, stream: StreamHandle, buffer: Buffer) {
    this.binding = binding
    this.tcp = connected.tcp
    this.#localPort = connected.localPort
    this.#peer = connected.peer
    this.stream = stream
    this.#buffer = buffer
    stream.owner = this
    stream.onread = onRead
    stream.useUserBuffer(buffer)
  }

  get #peerAddress(): Address {
    if (this.#peer === undefined) {
      this.#peer = {}
      if (!this.closed) this.tcp.getpeername(this.#peer)
    }
    return this.#peer
  }
  get #localAddress(): Address {
    if (this.#local === undefined) {
      this.#local = {}
      if (!this.closed) this.tcp.getsockname(this.#local)
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
    return this.#localPort ?? this.#localAddress.port ?? 0
  }

  assumePeer(peer: Peer): void {
    this.#peer = { ...peer }
  }

  /** Called by the handle: bytes, the end or an error, as the shared state says. */
  received(): void {
    const count = this.binding.state[this.binding.readBytes] as number
    if (this.closed || count === 0) return
    if (count > 0) {
      this.receiver.onData(this.#buffer, count)
      return
    }
    if (count !== UV_EOF) {
      this.fail(systemError('read', count))
      return
    }
    this.#readEnded = true
    this.stream.readStop()
    this.receiver.onEnd()
    if (this.#writeEnded) this.destroy()
  }

  abstract write(data: Buffer | string): boolean
  abstract writeHeld(data: Buffer): boolean
  abstract cork(): void
  abstract uncork(): boolean
  abstract end(options?: { readonly silent: boolean }): void

  pause(): void {
    if (this.closed || this.#readEnded || this.#paused) return
    this.#paused = true
    this.stream.readStop()
  }
  resume(): void {
    if (this.closed || this.#readEnded || !this.#paused) return
    this.#paused = false
    this.stream.readStart()
  }

  /** Sends the end behind everything that was given to the handle. */
  protected shutdown(): void {
    const request = new this.binding.ShutdownWrap()
    request.owner = this
    request.oncomplete = onShutdown
    if (this.stream.shutdown(request) !== 0) this.destroy()
  }

  shutdownDone(): void {
    this.#writeEnded = true
    if (this.#readEnded) this.destroy()
  }

  destroy(): void {
    if (this.closed) return
    this.closed = true
    this.tcp.close(() => this.onClosed())
  }

  protected onClosed(): void {
    this.receiver.onClose(this.#error)
  }

  /** Gives the handle away, for TLS over it; this transport is no more. */
  surrender(): Connected {
    this.closed = true
    return { tcp: this.tcp, localPort: this.#localPort, peer: this.#peer }
  }

  toStream(rest: Buffer): Duplex {
    return new TransportStream(this, rest)
  }

  protected fail(error: Error): void {
    if (this.closed) return
    this.#error = error
    this.destroy()
  }
}
