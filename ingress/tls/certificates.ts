import { createPrivateKey, X509Certificate } from 'node:crypto'
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type SecureVersion,
} from 'node:tls'
import { isReference, type Ssl } from '../objects/index.ts'
import { compileRegex } from '../route/index.ts'

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

const VERSIONS: Readonly<Record<string, SecureVersion>> = {
  'TLSv1.1': 'TLSv1.1',
  'TLSv1.2': 'TLSv1.2',
  'TLSv1.3': 'TLSv1.3',
}

/** Names are compared in lower case and without the root's dot. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

export function namesOf(ssl: Ssl): string[] {
  return [...(ssl.snis ?? []), ...(ssl.sni === undefined ? [] : [ssl.sni])].map(canonicalName)
}

/** The certificate and key pairs of an object; further ones (another key type) are in `certs` and `keys`. */
function pairsOf(ssl: Ssl): { readonly cert: string; readonly key: string }[] {
  const keys = [ssl.key, ...(ssl.keys ?? [])]
  return [ssl.cert, ...(ssl.certs ?? [])].map((cert, index) => ({ cert, key: keys[index] ?? '' }))
}

/** A sentence in the Admin API's words if certificate and key are not usable. What is kept elsewhere is not looked at. */
export function checkPairs(ssl: Ssl): string | undefined {
  if ((ssl.certs?.length ?? 0) !== (ssl.keys?.length ?? 0)) return 'mismatched number of certs and keys'
  for (const [index, { cert, key }] of pairsOf(ssl).entries()) {
    if (isReference(cert) || isReference(key)) continue
    const where = index === 0 ? '' : `failed to handle cert-key pair[${index}]: `
    try {
      new X509Certificate(cert)
    } catch {
      return `${where}failed to parse cert: PEM_read_bio_X509_AUX() failed`
    }
    try {
      createPrivateKey(key)
    } catch {
      return `${where}failed to parse key: PEM_read_bio_PrivateKey() failed`
    }
    try {
      createSecureContext({ cert, key })
    } catch (error) {
      return `${where}failed to parse key: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  return undefined
}

function credentialsOf(ssl: Ssl): Credentials {
  const pairs = pairsOf(ssl)
  const versions = (ssl.ssl_protocols ?? ['TLSv1.2', 'TLSv1.3'])
    .flatMap((name) => VERSIONS[name] ?? [])
    .sort()
  const options: SecureContextOptions = {
    cert: pairs.map(({ cert }) => cert),
    key: pairs.map(({ key }) => key),
    minVersion: versions[0] ?? 'TLSv1.2',
    maxVersion: versions.at(-1) ?? 'TLSv1.3',
    ...(ssl.client === undefined ? {} : { ca: ssl.client.ca }),
  }
  const exempt = (ssl.client?.skip_mtls_uri_regex ?? []).map((regex) => compileRegex(regex))
  return { context: createSecureContext(options), options, mutual: ssl.client !== undefined, exempt }
}

interface Holder {
  readonly names: readonly string[]
  readonly credentials: Credentials
}

/**
 * Server certificates by name: an exact name before a wildcard (which covers one label), a wildcard before `*`. Changing
 * one affects handshakes from then on; open connections keep theirs.
 */
export class Certificates {
  readonly #holders = new Map<string, Holder>()
  readonly #byName = new Map<string, Map<string, Credentials>>()

  get size(): number {
    return this.#holders.size
  }

  /** Throws OpenSSL's error if the certificate or key is not usable; the object's last good one then stays. */
  set(id: string, ssl: Ssl): void {
    if (ssl.status === 0 || ssl.type === 'client') {
      this.delete(id)
      return
    }
    const credentials = credentialsOf(ssl)
    this.delete(id)
    const names = namesOf(ssl)
    this.#holders.set(id, { names, credentials })
    for (const name of names) {
      const holders = this.#byName.get(name) ?? new Map<string, Credentials>()
      this.#byName.set(name, holders.set(id, credentials))
    }
  }

  delete(id: string): void {
    const holder = this.#holders.get(id)
    if (holder === undefined) return
    this.#holders.delete(id)
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
