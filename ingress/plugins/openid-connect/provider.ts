import { createPublicKey } from 'node:crypto'
import * as jose from 'jose'
import * as oidc from 'openid-client'
import { call } from '../http-call.ts'
import type { OidcConf } from './settings.ts'

const RETRY_MS = 5000
/** Never HS*: whoever knows the public key could sign with it. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']

function authenticationOf(conf: OidcConf): oidc.ClientAuth {
  if (conf.client_secret === undefined) return oidc.None()
  const post = conf.token_endpoint_auth_method === 'client_secret_post'
  return post ? oidc.ClientSecretPost(conf.client_secret) : oidc.ClientSecretBasic(conf.client_secret)
}

/** An OpenID provider: its metadata, fetched when first needed and again after a failure, and its keys. */
export class Provider {
  readonly #conf: OidcConf
  #configuration: Promise<oidc.Configuration> | undefined
  #failedAt = 0
  #keys: jose.JWTVerifyGetKey | undefined

  constructor(conf: OidcConf) {
    this.#conf = conf
  }

  /** Requests go through our own client: for `ssl_verify` and the time limit. */
  readonly #fetch = async (url: string, options: RequestInit): Promise<Response> => {
    const body = options.body === undefined || options.body === null ? undefined : String(options.body)
    const headers = Object.fromEntries(new Headers(options.headers))
    if (body !== undefined) headers['content-length'] = String(Buffer.byteLength(body))
    const answer = await call({
      url,
      method: options.method ?? 'GET',
      headers,
      body,
      timeoutMs: this.#conf.timeout * 1000,
      verify: this.#conf.ssl_verify,
    })
    const received = new Headers()
    for (const [name, value] of Object.entries(answer.headers)) received.set(name, String(value))
    return new Response(new Uint8Array(answer.body), { status: answer.status, headers: received })
  }

  configuration(): Promise<oidc.Configuration> {
    if (this.#configuration === undefined) {
      if (performance.now() - this.#failedAt < RETRY_MS && this.#failedAt > 0)
        return Promise.reject(new Error(`${this.#conf.discovery} could not be read a moment ago`))
      const found = this.#discover()
      this.#configuration = found
      found.catch(() => {
        this.#configuration = undefined
        this.#failedAt = performance.now()
      })
    }
    return this.#configuration
  }

  async #discover(): Promise<oidc.Configuration> {
    const { discovery, client_id, introspection_endpoint, timeout } = this.#conf
    const authentication = authenticationOf(this.#conf)
    // Whether the provider may be talked to in clear text is said by its URL.
    const execute = discovery.startsWith('http:') ? [oidc.allowInsecureRequests] : []
    const options = { execute, timeout, [oidc.customFetch]: this.#fetch as unknown as oidc.CustomFetch }
    const found = await oidc.discovery(new URL(discovery), client_id, {}, authentication, options)
    if (introspection_endpoint === undefined) return found
    const metadata = { ...found.serverMetadata(), introspection_endpoint } as unknown as oidc.ServerMetadata
    const changed = new oidc.Configuration(metadata, client_id, {}, authentication)
    changed[oidc.customFetch] = this.#fetch as unknown as oidc.CustomFetch
    if (execute.length > 0) oidc.allowInsecureRequests(changed)
    return changed
  }

  /** The claims of a bearer token; rejects if it is not good. */
  async check(token: string): Promise<jose.JWTPayload> {
    const { public_key, use_jwks, token_signing_alg_values_expected: expected } = this.#conf
    const options = { algorithms: expected === undefined ? ALGORITHMS : [expected] }
    if (public_key !== undefined)
      return (await jose.jwtVerify(token, createPublicKey(public_key), options)).payload
    const configuration = await this.configuration()
    const { issuer, jwks_uri } = configuration.serverMetadata()
    if (use_jwks && jwks_uri !== undefined) {
      this.#keys ??= jose.createRemoteJWKSet(new URL(jwks_uri), {
        [jose.customFetch]: this.#fetch as unknown as jose.FetchImplementation,
      })
      // Other issuers may be listed; ClaimRules looks at those.
      const others = this.#conf.claim_validator?.issuer?.valid_issuers
      const expectedIssuer = others === undefined ? { issuer } : {}
      return (await jose.jwtVerify(token, this.#keys, { ...options, ...expectedIssuer })).payload
    }
    const answer = await oidc.tokenIntrospection(configuration, token)
    if (!answer.active) throw new Error('the token is not active')
    return { ...answer } as jose.JWTPayload
  }
}
