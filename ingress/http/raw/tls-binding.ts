import type { SecureContext } from 'node:tls'
import type { StreamHandle, TcpHandle } from './binding.ts'

// How TLSWrap is made differs between releases, and a wrong number of arguments ends the process instead of throwing. So only
// the release whose source was read is trusted; elsewhere TLS runs on Node's TLS sockets.
const KNOWN_MAJOR = 26

/** TLS over a TCP handle: clear text on this side, records on the other. It takes one write at a time. */
export interface TlsHandle extends StreamHandle {
  onhandshakedone: (() => void) | undefined
  onerror: ((error: Error) => void) | undefined
  /** Bytes that were read from the TCP handle before. */
  receive(bytes: Uint8Array): void
  /** Protocol names, each behind its length (RFC 7301 §3.1). */
  setALPNProtocols(names: Buffer): void
  setVerifyMode(request: boolean, demand: boolean): void
  getServername(): string | false
  getALPNNegotiatedProtocol(): string | false
  hasPeerCertificate(): boolean
  /** What is wrong with the client's certificate; also null if the session of a client without one was resumed. */
  verifyError(): Error | null
  getProtocol(): string
  getCipher(): { readonly name: string }
  isSessionReused(): boolean
  getPeerCertificate(): { readonly raw?: Buffer } | undefined
  destroySSL(): void
}

export interface TlsBinding {
  /** `underWay`: somebody else still writes to the TCP handle. */
  wrap(tcp: TcpHandle, context: unknown, server: boolean, underWay: boolean): TlsHandle
}

const METHODS: readonly (keyof TlsHandle)[] = [
  'receive',
  'readStart',
  'readStop',
  'useUserBuffer',
  'writeLatin1String',
  'writeBuffer',
  'writev',
  'shutdown',
  'setALPNProtocols',
  'setVerifyMode',
  'getServername',
  'getALPNNegotiatedProtocol',
  'hasPeerCertificate',
  'verifyError',
  'getProtocol',
  'getCipher',
  'isSessionReused',
  'getPeerCertificate',
  'destroySSL',
]

/** The binding below node:tls, or undefined where this Node does not have it in the known form. */
export function loadTlsBinding(): TlsBinding | undefined {
  if (Number.parseInt(process.versions.node, 10) !== KNOWN_MAJOR) return undefined
  const { binding } = process as unknown as { binding?: (name: string) => Record<string, unknown> }
  try {
    const tls = binding?.call(process, 'tls_wrap') as
      | { readonly wrap?: TlsBinding['wrap']; readonly TLSWrap?: { readonly prototype: object } }
      | undefined
    const prototype = tls?.TLSWrap?.prototype as Readonly<Record<string, unknown>> | undefined
    if (typeof tls?.wrap !== 'function' || prototype === undefined) return undefined
    const { wrap } = tls
    return METHODS.every((name) => typeof prototype[name] === 'function') ? { wrap } : undefined
  } catch {
    return undefined
  }
}

/** The handle inside Node's context. */
export function nativeContext(context: SecureContext): unknown {
  return (context as unknown as { readonly context: unknown }).context
}
