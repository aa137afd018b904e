import { constants } from 'node:crypto'
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type SecureVersion,
} from 'node:tls'
import type { Ssl } from '../objects/index.ts'
import { compileRegex } from '../route/index.ts'
import type { SessionKeys } from './session-keys.ts'

/**
 * In the order Mozilla recommends: AES-128 with SHA-256 first, which is strong enough for anything and makes a handshake a
 * tenth cheaper than the AES-256 with SHA-384 that clients name first.
 */
const SUITES_13 = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'
/** The list of APISIX's config.yaml. */
const CIPHERS = [
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ...['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ...['ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ...['DHE-RSA-AES128-GCM-SHA256', 'DHE-RSA-AES256-GCM-SHA384'],
].join(':')
/** OpenSSL 3 speaks TLS 1.1, which has no better hash than SHA-1, only where it is told to be content with little. */
const OLD_CIPHERS = ':ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0'
/** The server's order counts, except for clients that want ChaCha20 most: those without instructions for AES. */
const ORDER = constants.SSL_OP_CIPHER_SERVER_PREFERENCE | constants.SSL_OP_PRIORITIZE_CHACHA

/** As long as APISIX's nginx keeps sessions (ssl_session_timeout 10m). */
const SESSION_SECONDS = 600

/** What a TLS handshake for a name is done with. */
export interface Credentials {
  readonly context: SecureContext
  /** What the context was made from. */
  readonly options: SecureContextOptions
  /** Clients must show a certificate signed by the object's CA. */
  readonly mutual: boolean
  /** Paths that clients without one get nevertheless; empty: the handshake decides. */
  readonly exempt: readonly RegExp[]
}

/** What objects leave open. */
export interface TlsDefaults {
  /** Of TLSv1.1, TLSv1.2 and TLSv1.3. */
  readonly protocols: readonly string[]
  /** OpenSSL's list for TLS 1.2 (names of 1.3 begin with TLS_); undefined: APISIX's. */
  readonly ciphers: string | undefined
  /** Undefined: sessions are not resumed. */
  readonly sessionKeys: SessionKeys | undefined
}

const VERSIONS: Readonly<Record<string, SecureVersion>> = {
  'TLSv1.1': 'TLSv1.1',
  'TLSv1.2': 'TLSv1.2',
  'TLSv1.3': 'TLSv1.3',
}

/** The certificate and key pairs of an object; further ones (another key type) are in `certs` and `keys`. */
export function pairsOf(ssl: Ssl): { readonly cert: string; readonly key: string }[] {
  const keys = [ssl.key, ...(ssl.keys ?? [])]
  return [ssl.cert, ...(ssl.certs ?? [])].map((cert, index) => ({ cert, key: keys[index] ?? '' }))
}

/** Lists for nginx name ciphers of TLS 1.2 only. */
function withSuites(ciphers: string): string {
  return /(^|:)TLS_/.test(ciphers) ? ciphers : `${SUITES_13}:${ciphers}`
}

/**
 * The credentials of one object. Its sessions can be resumed with it only, and not once anything of it has changed: whom a
 * handshake let in, under which name and by which authority, holds for that object alone.
 */
export class ServerCredentials implements Credentials {
  readonly options: SecureContextOptions
  readonly mutual: boolean
  readonly exempt: readonly RegExp[]
  readonly #sessionKeys: SessionKeys | undefined
  #period: number
  #context: SecureContext

  /** Throws OpenSSL's error if the certificate or key is not usable. */
  constructor(ssl: Ssl, { protocols, ciphers, sessionKeys }: TlsDefaults) {
    const pairs = pairsOf(ssl)
    const versions = (ssl.ssl_protocols ?? protocols).flatMap((name) => VERSIONS[name] ?? []).sort()
    this.options = {
      cert: pairs.map(({ cert }) => cert),
      key: pairs.map(({ key }) => key),
      minVersion: versions[0] ?? 'TLSv1.2',
      maxVersion: versions.at(-1) ?? 'TLSv1.3',
      ciphers: withSuites(
        versions[0] === 'TLSv1.1' ? `${ciphers ?? CIPHERS}${OLD_CIPHERS}` : (ciphers ?? CIPHERS),
      ),
      ...(ssl.client === undefined ? {} : { ca: ssl.client.ca }),
    }
    this.mutual = ssl.client !== undefined
    this.exempt = (ssl.client?.skip_mtls_uri_regex ?? []).map((regex) => compileRegex(regex))
    this.#sessionKeys = sessionKeys
    this.#period = sessionKeys?.period ?? 0
    this.#context = this.#make()
  }

  /** Made anew when there are new keys for sessions. */
  get context(): SecureContext {
    const period = this.#sessionKeys?.period ?? 0
    if (period !== this.#period) {
      this.#period = period
      this.#context = this.#make()
    }
    return this.#context
  }

  #make(): SecureContext {
    const { options } = this
    const keys = this.#sessionKeys
    const secureOptions = constants.SSL_OP_NO_RENEGOTIATION | ORDER
    if (keys === undefined)
      return createSecureContext({ ...options, secureOptions: secureOptions | constants.SSL_OP_NO_TICKET })
    return createSecureContext({
      ...options,
      secureOptions,
      ticketKeys: keys.keys(this.#period, JSON.stringify([options, this.exempt.map(String)])),
      sessionIdContext: 'plexus',
      sessionTimeout: SESSION_SECONDS,
    })
  }
}
