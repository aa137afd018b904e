import { appendFileSync } from 'node:fs'
import type { Server, TLSSocket } from 'node:tls'

/** What TLS listeners need: DNS over TLS (RFC 7858) and over HTTPS (RFC 8484). */
export interface TlsSettings {
  readonly cert: string
  readonly key: string
  /** authorities for certificates of clients */
  readonly ca: string | undefined
  /** ask clients for a certificate */
  readonly requestCert: boolean
  /** refuse clients whose certificate is not signed by `ca` */
  readonly rejectUnauthorized: boolean
  /** clients must show a certificate, whoever signed it */
  readonly requireCert?: boolean | undefined
  /** a certificate that is shown must be signed by `ca` */
  readonly verifyIfGiven?: boolean | undefined
  /** file that gets the secrets of connections, for debugging */
  readonly keylog?: string | undefined
}

/** Closes connections of clients whose certificate is not as wanted, and writes the key log. */
export function guard(server: Server, settings: TlsSettings): void {
  const { requireCert, verifyIfGiven, keylog } = settings
  if (keylog !== undefined)
    server.on('keylog', (line: Buffer) => appendFileSync(keylog, line, { mode: 0o600 }))
  if (requireCert !== true && verifyIfGiven !== true) return
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    const given = Object.keys(socket.getPeerCertificate()).length > 0
    if ((requireCert === true && !given) || (verifyIfGiven === true && given && !socket.authorized))
      socket.destroy()
  })
}

/** The settings in the form node:tls takes. */
export function secureContext(settings: TlsSettings): {
  cert: string
  key: string
  ca?: string
  minVersion: 'TLSv1.2'
} {
  const { cert, key, ca } = settings
  return { cert, key, minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) }
}
