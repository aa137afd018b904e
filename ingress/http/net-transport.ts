import net from 'node:net'
import tls from 'node:tls'
import type { Receiver, Transport } from './transport.ts'

const NOBODY: Receiver = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} }

function plainAddress(address: string | undefined): string {
  if (address === undefined) return ''
  return address.startsWith('::ffff:') ? address.slice(7) : address
}

/** A transport on Node's public sockets. */
export class NetTransport implements Transport {
  receiver: Receiver = NOBODY
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly encrypted: boolean
  readonly #socket: net.Socket
  #error: Error | undefined

  constructor(socket: net.Socket) {
    this.#socket = socket
    this.remoteAddress = plainAddress(socket.remoteAddress)
    this.remotePort = socket.remotePort ?? 0
    this.localAddress = plainAddress(socket.localAddress)
    this.localPort = socket.localPort ?? 0
    this.encrypted = socket instanceof tls.TLSSocket
    socket.on('data', (chunk: Buffer) => this.receiver.onData(chunk))
    socket.on('drain', () => this.receiver.onDrain())
    socket.on('end', () => this.receiver.onEnd())
    socket.on('error', (error: Error) => {
      this.#error = error
    })
    socket.on('close', () => this.receiver.onClose(this.#error))
  }

  write(data: Buffer | string): boolean {
    return typeof data === 'string' ? this.#socket.write(data, 'latin1') : this.#socket.write(data)
  }
  cork(): void {
    this.#socket.cork()
  }
  uncork(): void {
    this.#socket.uncork()
  }
  pause(): void {
    this.#socket.pause()
  }
  resume(): void {
    this.#socket.resume()
  }
  end(): void {
    this.#socket.end()
  }
  destroy(): void {
    this.#socket.destroy()
  }
}

export interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly tls?: { readonly servername: string; readonly verify: boolean } | undefined
  onConnect(transport: Transport): void
  onError(error: Error): void
}

/** Opens a connection; exactly one of the callbacks is called, unless the returned function cancels it before. */
export function connect(options: ConnectOptions): () => void {
  const { host, port } = options
  const servername = options.tls?.servername ?? ''
  const socket =
    options.tls === undefined
      ? net.connect({ host, port, noDelay: true, allowHalfOpen: true })
      : tls.connect({
          host,
          port,
          // SNI carries names only (RFC 6066 §3).
          ...(net.isIP(servername) === 0 && servername !== '' ? { servername } : {}),
          rejectUnauthorized: options.tls.verify,
          ALPNProtocols: ['http/1.1'],
        })
  let settled = false
  const onError = (error: Error) => {
    if (settled) return
    settled = true
    options.onError(error)
  }
  socket.on('error', onError)
  socket.once(options.tls === undefined ? 'connect' : 'secureConnect', () => {
    if (settled) return
    settled = true
    socket.removeListener('error', onError)
    options.onConnect(new NetTransport(socket))
  })
  return () => {
    if (settled) return
    settled = true
    socket.destroy()
  }
}
