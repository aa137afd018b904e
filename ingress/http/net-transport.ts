import type net from 'node:net'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import { type Handshake, NOBODY, plainAddress, type Receiver, type Transport } from './transport.ts'

export interface NetTransportOptions {
  /** Bytes to send may lie in a buffer that is read into again (the other side is a raw transport): copy them. */
  readonly copy: boolean
}

/** A transport on Node's public sockets. */
export class NetTransport implements Transport {
  receiver: Receiver = NOBODY
  remoteAddress: string
  remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly encrypted: boolean
  readonly #socket: net.Socket
  readonly #copy: boolean
  #error: Error | undefined

  constructor(socket: net.Socket, options: NetTransportOptions) {
    this.#socket = socket
    this.#copy = options.copy
    this.remoteAddress = plainAddress(socket.remoteAddress)
    this.remotePort = socket.remotePort ?? 0
    this.localAddress = plainAddress(socket.localAddress)
    this.localPort = socket.localPort ?? 0
    this.encrypted = socket instanceof tls.TLSSocket
    socket.on('data', (chunk: Buffer) => this.receiver.onData(chunk, chunk.length))
    socket.on('drain', () => this.receiver.onDrain())
    socket.on('end', () => this.receiver.onEnd())
    socket.on('error', (error: Error) => {
      this.#error = error
    })
    socket.on('close', () => this.receiver.onClose(this.#error))
  }

  /** The name the client asked for in its TLS handshake, undefined without TLS or SNI. */
  get servername(): string | undefined {
    const socket = this.#socket
    if (!(socket instanceof tls.TLSSocket)) return undefined
    return typeof socket.servername === 'string' ? socket.servername : undefined
  }

  get verified(): boolean {
    return this.#socket instanceof tls.TLSSocket && this.#socket.authorized
  }

  handshake(): Handshake | undefined {
    const socket = this.#socket
    if (!(socket instanceof tls.TLSSocket)) return undefined
    return {
      protocol: socket.getProtocol() ?? '',
      cipher: socket.getCipher().name,
      resumed: socket.isSessionReused(),
      certificate: socket.getPeerX509Certificate(),
    }
  }

  assumePeer({ address, port }: { readonly address: string; readonly port: number }): void {
    this.remoteAddress = plainAddress(address)
    this.remotePort = port
  }

  write(data: Buffer | string): boolean {
    if (typeof data === 'string') return this.#socket.write(data, 'latin1')
    return this.#socket.write(this.#copy ? Buffer.from(data) : data)
  }
  writeHeld(data: Buffer): boolean {
    return this.write(data)
  }
  cork(): void {
    this.#socket.cork()
  }
  uncork(): boolean {
    this.#socket.uncork()
    return !this.#socket.writableNeedDrain
  }
  pause(): void {
    this.#socket.pause()
  }
  resume(): void {
    this.#socket.resume()
  }
  end({ silent = false } = {}): void {
    if (silent) this.#socket.destroySoon()
    else this.#socket.end()
  }
  destroy(): void {
    this.#socket.destroy()
  }
  toStream(rest: Buffer): Duplex {
    const socket = this.#socket
    for (const event of ['data', 'drain', 'end', 'close']) socket.removeAllListeners(event)
    socket.pause()
    if (rest.length > 0) socket.unshift(Buffer.from(rest))
    return socket
  }
}
