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
