import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { isReference, type Ssl } from '../objects/index.ts'
import { type Credentials, pairsOf, ServerCredentials, type TlsDefaults } from './server-credentials.ts'

/** Names are compared in lower case and without the root's dot. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

export function namesOf(ssl: Ssl): string[] {
  return [...(ssl.snis ?? []), ...(ssl.sni === undefined ? [] : [ssl.sni])].map(canonicalName)
}

const BAD_CERT = 'failed to parse cert: PEM_read_bio_X509_AUX() failed'

/** A sentence in the Admin API's words if certificate and key are not usable; what they refer to may come later. */
export function checkPairs(ssl: Ssl): string | undefined {
  if ((ssl.certs?.length ?? 0) !== (ssl.keys?.length ?? 0)) return 'mismatched number of certs and keys'
  for (const [index, pair] of pairsOf(ssl).entries()) {
    const fault = checkPair(pair)
    if (fault !== undefined) return index === 0 ? fault : `failed to handle cert-key pair[${index}]: ${fault}`
  }
  const ca = ssl.client?.ca
  return ca === undefined || isReference(ca) || isCertificate(ca)
    ? undefined
    : `failed to validate client_cert: ${BAD_CERT}`
}

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).serialNumber !== ''
  } catch {
    return false
  }
}

function checkPair({ cert, key }: { readonly cert: string; readonly key: string }): string | undefined {
  if (!isReference(cert) && !isCertificate(cert)) return BAD_CERT
  if (isReference(key)) return undefined
  // APISIX takes keys that it has encrypted itself.
  if (!key.startsWith('---')) return 'failed to decrypt previous encrypted key'
  try {
    createPrivateKey(key)
  } catch {
    return 'failed to parse key: PEM_read_bio_PrivateKey() failed'
  }
  if (isReference(cert)) return undefined
  try {
    createSecureContext({ cert, key })
    return undefined
  } catch (error) {
    return `failed to parse key: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** `id` is another one after each change. */
interface Identity {
  readonly id: string
  readonly context: SecureContext
}

let made = 0

interface Holder {
  readonly names: readonly string[]
  readonly credentials: Credentials
}

/**
 * Server certificates by name: an exact name before a wildcard (which covers one label), a wildcard before `*`. Changing
 * one affects handshakes from then on; open connections keep theirs.
 */
export class Certificates {
  readonly #identities = new Map<string, Identity>()
  readonly #holders = new Map<string, Holder>()
  readonly #byName = new Map<string, Map<string, Credentials>>()
  readonly #defaults: TlsDefaults
  #mutual = 0

  constructor(defaults: TlsDefaults) {
    this.#defaults = defaults
  }

  /** Whether any name asks for client certificates. */
  get mutual(): boolean {
    return this.#mutual > 0
  }

  get size(): number {
    return this.#holders.size
  }

  /** Throws OpenSSL's error if the certificate or key is not usable; the object's last good one then stays. */
  set(id: string, ssl: Ssl): void {
    if (ssl.status === 0) {
      this.delete(id)
      return
    }
    const credentials = new ServerCredentials(ssl, this.#defaults)
    this.delete(id)
    if (ssl.type === 'client') {
      this.#identities.set(id, { id: `ssls/${id}/${++made}`, context: credentials.context })
      return
    }
    const names = namesOf(ssl)
    this.#holders.set(id, { names, credentials })
    if (credentials.mutual) this.#mutual++
    for (const name of names) {
      const holders = this.#byName.get(name) ?? new Map<string, Credentials>()
      this.#byName.set(name, holders.set(id, credentials))
    }
  }

  /** The gateway's own certificate towards servers: that of an object of type client. */
  identity(id: string): Identity | undefined {
    return this.#identities.get(id)
  }

  delete(id: string): void {
    this.#identities.delete(id)
    const holder = this.#holders.get(id)
    if (holder === undefined) return
    this.#holders.delete(id)
    if (holder.credentials.mutual) this.#mutual--
    for (const name of holder.names) {
      const holders = this.#byName.get(name)
      holders?.delete(id)
      if (holders?.size === 0) this.#byName.delete(name)
    }
  }

  /** What to use for a name a client asks for ('' if it names none). */
  find(servername: string): Credentials | undefined {
    const name = canonicalName(servername)
    const dot = name.indexOf('.')
    return (
      this.#first(name) ?? (dot === -1 ? undefined : this.#first(`*${name.slice(dot)}`)) ?? this.#first('*')
    )
  }

  /** Of several objects for one name the oldest counts: nobody takes a name over by coming later. */
  #first(name: string): Credentials | undefined {
    return this.#byName.get(name)?.values().next().value
  }
}
