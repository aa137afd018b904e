import { createSecureContext, type SecureContext } from 'node:tls'
import type { Upstream } from '../objects/index.ts'
import { isSecure } from './nodes.ts'

/** How servers are met; `id` sets connections with different certificates apart. */
export interface ClientTls {
  readonly id: string
  readonly verify: boolean
  readonly context: SecureContext | undefined
}

/** A certificate of the gateway's towards servers. */
export interface ClientIdentity {
  readonly id: string
  readonly context: SecureContext
}

/** Where certificates come from that an upstream does not hold itself. */
export interface IdentitySources {
  /** That of an `ssls` object of type client. */
  readonly identity?: ((id: string) => ClientIdentity | undefined) | undefined
  /** Replaces references to secrets and to the environment; throws while one leads nowhere. */
  readonly resolve?: (<T>(value: T) => T) | undefined
}

const ANONYMOUS: ClientTls = { id: '', verify: false, context: undefined }
const VERIFYING: ClientTls = { id: 'verified', verify: true, context: undefined }
let made = 0

/** The TLS side of one upstream. */
export class UpstreamTls {
  readonly #sources: IdentitySources
  #named: string | undefined
  #verify = false
  /** undefined: there should be a certificate and it is not usable. */
  #own: ClientTls | undefined = ANONYMOUS
  #made: { readonly cert: string; readonly key: string; readonly tls: ClientTls } | undefined
  #borrowed: ClientTls | undefined

  constructor(sources: IdentitySources) {
    this.#sources = sources
  }

  update({ scheme, tls }: Upstream): void {
    const secure = isSecure(scheme)
    this.#verify = tls?.verify ?? false
    this.#named = secure && tls?.client_cert_id !== undefined ? String(tls.client_cert_id) : undefined
    this.#own = this.#verify ? VERIFYING : ANONYMOUS
    if (!secure || tls?.client_cert === undefined) this.#made = undefined
    else this.#own = this.#withCertificate(tls)
  }

  #withCertificate(config: NonNullable<Upstream['tls']>): ClientTls | undefined {
    try {
      const { client_cert: cert = '', client_key: key = '' } = this.#sources.resolve?.(config) ?? config
      const before = this.#made
      // The same certificate stays the same to the connections made with it.
      if (before?.cert !== cert || before.key !== key || before.tls.verify !== this.#verify) {
        const context = createSecureContext({ cert, key })
        this.#made = { cert, key, tls: { id: String(++made), verify: this.#verify, context } }
      }
    } catch {
      this.#made = undefined
    }
    return this.#made?.tls
  }

  /** What to connect with now; a number is the status to answer because the certificate is not there. */
  get current(): ClientTls | number {
    if (this.#named === undefined) return this.#own ?? 503
    const identity = this.#sources.identity?.(this.#named)
    if (identity === undefined) return 502
    const { id, context } = identity
    if (this.#borrowed?.id !== id || this.#borrowed.verify !== this.#verify)
      this.#borrowed = { id, verify: this.#verify, context }
    return this.#borrowed
  }
}
