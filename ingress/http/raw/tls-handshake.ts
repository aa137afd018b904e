import { serverNameOf } from '../client-hello.ts'
import type { Timed } from '../deadlines.ts'
import { HANDSHAKE_TIMEOUT_MS, type HandshakeCredentials, type TlsAcceptOptions } from '../tls-settings.ts'
import { NOBODY, type Receiver } from '../transport.ts'
import type { Binding } from './binding.ts'
import type { RawTransport } from './raw-transport.ts'
import { nativeContext, type TlsBinding, type TlsHandle } from './tls-binding.ts'
import { RawTlsTransport } from './tls-transport.ts'
import type { WriteBatch } from './write-batch.ts'

const HELLO_BYTES = 65_536
/** A record with the fatal alert unrecognized_name (RFC 6066 §3). */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 1, 0, 2, 2, 112])

/** What the handshakes of one port have in common. */
export interface HandshakePort {
  readonly binding: Binding
  readonly tls: TlsBinding
  readonly batch: WriteBatch
  /** Clear text of clients is read into this. */
  readonly buffer: Buffer
  readonly options: TlsAcceptOptions
  /** The protocols offered, in the form of the wire. */
  readonly alpn: Buffer | undefined
}

/** The list of protocol names as ALPN has it: each behind its length (RFC 7301 §3.1). */
export function alpnList(names: readonly string[]): Buffer {
  return Buffer.concat(names.map((name) => Buffer.from([name.length, ...Buffer.from(name, 'latin1')])))
}

/**
 * The handshake of a new client. The first message is read here for its server name, so that TLS begins with the right
 * certificate and demands: nothing is exchanged in the middle, sessions of different names have nothing in common, and
 * who only connects costs no TLS at all.
 */
export class TlsHandshake implements Receiver, Timed {
  deadline: number
  readonly #port: HandshakePort
  readonly #raw: RawTransport
  #held: Buffer | undefined
  #secure: RawTlsTransport | undefined

  constructor(raw: RawTransport, port: HandshakePort) {
    this.#port = port
    this.#raw = raw
    const { deadlines } = port.options
    this.deadline = deadlines.now + HANDSHAKE_TIMEOUT_MS
    raw.receiver = this
    deadlines.add(this)
  }

  /** Bytes of the first message; those after it go to TLS itself. */
  onData(buffer: Buffer, length: number): void {
    const arrived = buffer.subarray(0, length)
    const bytes = this.#held === undefined ? arrived : Buffer.concat([this.#held, arrived])
    const hello = serverNameOf(bytes)
    if (hello === 'incomplete' && bytes.length <= HELLO_BYTES) {
      this.#held = bytes === arrived ? Buffer.from(arrived) : bytes
      return
    }
    if (hello === 'incomplete' || hello === undefined) {
      this.#raw.destroy()
      return
    }
    this.#held = undefined
    const credentials = this.#port.options.tls.credentials(hello.name)
    if (credentials !== undefined) this.#begin(hello.name, credentials, bytes)
    else if (this.#raw.write(UNRECOGNIZED_NAME)) this.#raw.end({ silent: true })
    else this.#raw.destroy()
  }

  #begin(name: string, credentials: HandshakeCredentials, bytes: Buffer): void {
    const { binding, tls, buffer, alpn, batch } = this.#port
    const connected = { ...this.#raw.surrender(), batch }
    const handle = tls.wrap(connected.tcp, nativeContext(credentials.context), true, false)
    const secure = new RawTlsTransport(binding, connected, handle, buffer)
    secure.receiver = this
    this.#secure = secure
    if (alpn !== undefined) handle.setALPNProtocols(alpn)
    if (credentials.mutual) handle.setVerifyMode(true, credentials.exempt.length === 0)
    handle.onhandshakedone = () => this.#done(secure, handle, name, credentials)
    handle.receive(bytes)
  }

  #done(
    secure: RawTlsTransport,
    handle: TlsHandle,
    name: string,
    { mutual, exempt }: HandshakeCredentials,
  ): void {
    handle.onhandshakedone = undefined
    const { options } = this.#port
    options.deadlines.remove(this)
    secure.receiver = NOBODY
    const verified = mutual && handle.hasPeerCertificate() && handle.verifyError() === null
    const seen = handle.getServername()
    // OpenSSL lets every certificate through: what it found is looked at here.
    if ((mutual && !verified && exempt.length === 0) || (seen !== false && seen.toLowerCase() !== name)) {
      secure.destroy()
      return
    }
    secure.servername = name === '' ? undefined : name
    secure.verified = verified
    if (handle.getALPNNegotiatedProtocol() === 'h2') options.onHttp2(secure)
    else options.onConnection(secure)
  }

  onDrain(): void {}
  onEnd(): void {
    this.#cancel()
  }
  onClose(): void {
    this.#port.options.deadlines.remove(this)
  }
  onDeadline(): void {
    this.#cancel()
  }

  #cancel(): void {
    ;(this.#secure ?? this.#raw).destroy()
  }
}
